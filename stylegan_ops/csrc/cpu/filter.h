// The 4 x 4 low-pass filter behind a transposed convolution, and all that follows it.
#pragma once
#include "layer.h"

namespace cpu {

// What the transposed convolution makes, [2 height + 1, 2 width + 1, outputs]: its last `held` rows are kept.
struct Raw {
    float* data;
    int64_t held, rows, columns, outputs;

    Raw(const Layer& layer, int64_t held)
        : data(reinterpret_cast<float*>(layer.scratch)),
          held(held),
          rows(2 * layer.height + 1),
          columns(2 * layer.width + 1),
          outputs(layer.outputs) {}

    int64_t bytes() const { return (held * columns * outputs * static_cast<int64_t>(sizeof(float)) + 63) / 64 * 64; }
    float* at(int64_t row, int64_t column) const { return data + (row % held * columns + column) * outputs; }
};

// Filter one row of y from four of `raw`. The ring holds four columns, each filtered downwards: [4, outputs].
template <typename T>
void filter_row(const Layer& layer, const Raw& raw, int64_t row, Lanes* ring) {
    int64_t registers = layer.outputs / LANES, columns = raw.columns;
    const float *taps = layer.taps, *lines[4];
    float down[4];
    for (int i = 0; i < 4; i++) {
        bool inside = row + i >= 1 && row + i <= raw.rows;
        lines[i] = raw.at(inside ? row + i - 1 : row, 0);
        down[i] = inside ? taps[i] : 0.f;
    }
    Epilogue finish(layer);
    T* y = static_cast<T*>(layer.y) + row * 2 * layer.width * layer.outputs;
    for (int64_t i = 0; i < registers; i++) ring[3 * registers + i] = Lanes{};  // left of the first column
    for (int64_t column = 0; column <= columns; column++) {
        Lanes* part[4];
        for (int i = 0; i < 4; i++) part[i] = ring + (column + 1 + i) % 4 * registers;
        float noise = column < 2 ? 0.f : noise_at(layer, row * 2 * layer.width + column - 2);
        for (int64_t i = 0; i < registers; i++) {
            int64_t c = i * LANES, at = column * layer.outputs + c;
            Lanes newest = {};
            if (column < columns)
                newest = (down[0] * load(lines[0] + at) + down[1] * load(lines[1] + at)) +
                         (down[2] * load(lines[2] + at) + down[3] * load(lines[3] + at));
            part[3][i] = newest;
            if (column < 2) continue;
            Lanes sum = (taps[0] * part[0][i] + taps[1] * part[1][i]) + (taps[2] * part[2][i] + taps[3] * newest);
            store(y + (column - 2) * layer.outputs + c, finish(sum, c, noise));
        }
    }
}

// For all threads of a team: filter the rows of y from `first` to `last`.
template <typename T>
void filter_rows(const Layer& layer, const Raw& raw, int64_t first, int64_t last, Lanes* ring) {
#pragma omp for
    for (int64_t row = first; row < last; row++) filter_row<T>(layer, raw, row, ring);
}

}  // namespace cpu
