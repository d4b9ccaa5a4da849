// Sums of products: rows of pixels or tiles times packed weights.
// Weights are cut into panels of PANEL output channels, [panel][input][PANEL], so that the inner loop reads on and on;
// in bfloat16, inputs go in pairs: [panel][input / 2][PANEL][2].
#pragma once
#include "lanes.h"

namespace cpu {

template <typename T>
struct Tap {  // one term: rows moved by `offset` elements, times a panel
    int64_t offset;
    const T* panel;
};

template <int M>
inline void accumulate(Lanes (&sums)[M][2], const float* const* rows, int64_t offset, const float* panel,
                       int64_t inputs) {
    const float* row[M];
    for (int i = 0; i < M; i++) row[i] = rows[i] + offset;
    for (int64_t k = 0; k < inputs; k++) {
        Lanes left = load(panel + k * PANEL), right = load(panel + k * PANEL + LANES);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            Lanes value = broadcast(row[i][k]);
            sums[i][0] += value * left;
            sums[i][1] += value * right;
        }
    }
}

#if defined(__AVX512BF16__)
template <int M>
inline void accumulate(Lanes (&sums)[M][2], const bfloat16* const* rows, int64_t offset, const bfloat16* panel,
                       int64_t inputs) {
    const bfloat16* row[M];
    for (int i = 0; i < M; i++) row[i] = rows[i] + offset;
    for (int64_t k = 0; k < inputs; k += 2) {
        auto left = (__m512bh)_mm512_loadu_si512(panel + k * PANEL),
             right = (__m512bh)_mm512_loadu_si512(panel + k * PANEL + 2 * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            int32_t pair;
            std::memcpy(&pair, row[i] + k, 4);
            auto value = (__m512bh)_mm512_set1_epi32(pair);
            sums[i][0] = (Lanes)_mm512_dpbf16_ps((__m512)sums[i][0], value, left);
            sums[i][1] = (Lanes)_mm512_dpbf16_ps((__m512)sums[i][1], value, right);
        }
    }
}
#endif

template <int M, typename T>
inline void sum_rows(const T* const* rows, const Tap<T>* taps, int num_taps, int64_t inputs, float* const* out,
                     int64_t out_offset) {
    Lanes sums[M][2];
    for (int i = 0; i < M; i++) sums[i][0] = sums[i][1] = Lanes{};
    for (int t = 0; t < num_taps; t++) accumulate<M>(sums, rows, taps[t].offset, taps[t].panel, inputs);
    for (int i = 0; i < M; i++) {
        store(out[i] + out_offset, sums[i][0]);
        store(out[i] + out_offset + LANES, sums[i][1]);
    }
}

// out[i][out_offset ...] = sum over taps and inputs of rows[i][offset + input] * panel[input]; every row sums in the
// same order.
template <typename T>
inline void multiply(const T* const* rows, int64_t num_rows, const Tap<T>* taps, int num_taps, int64_t inputs,
                     float* const* out, int64_t out_offset) {
    int64_t i = 0;
    for (; i + ROWS <= num_rows; i += ROWS) sum_rows<ROWS>(rows + i, taps, num_taps, inputs, out + i, out_offset);
    for (; i + 4 <= num_rows; i += 4) sum_rows<4>(rows + i, taps, num_taps, inputs, out + i, out_offset);
    for (; i < num_rows; i++) sum_rows<1>(rows + i, taps, num_taps, inputs, out + i, out_offset);
}

}  // namespace cpu
