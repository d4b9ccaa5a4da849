// One register of floats, as wide as the instruction set that this file is compiled for.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace cpu {

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 12;  // ROWS x 2 registers of sums fill the register file
#elif defined(__AVX2__)
constexpr int LANES = 8, ROWS = 6;
#elif defined(__aarch64__)
constexpr int LANES = 4, ROWS = 12;
#else
constexpr int LANES = 4, ROWS = 6;
#endif
constexpr int PANEL = 2 * LANES;  // output channels that one pass of the inner loop sums up

typedef float Lanes __attribute__((vector_size(4 * LANES)));
struct bfloat16 {
    uint16_t bits;
};

inline Lanes broadcast(float value) { return Lanes{} + value; }

inline Lanes load(const float* p) {
    Lanes v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float* p, Lanes v) { std::memcpy(p, &v, sizeof v); }

#if defined(__AVX512BF16__)
inline Lanes load(const bfloat16* p) {
    __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return (Lanes)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}

inline void store(bfloat16* p, Lanes v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
#endif

// Both comparisons are false for NaN, which therefore stays.
inline Lanes clamp(Lanes v, float bound) {
    Lanes high = broadcast(bound), low = -high;
    v = v > high ? high : v;
    return v < low ? low : v;
}

inline Lanes leaky_relu(Lanes v) {
    Lanes small = 0.2f * v;
    return v < 0.f ? small : v;
}

}  // namespace cpu
