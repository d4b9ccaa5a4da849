// The image of a block: features to colours, plus the image of the block below, enlarged.
#include <algorithm>
#include <omp.h>
#include <vector>
#include "layer.h"

namespace cpu {
namespace {

struct Image {
    const void* x;        // features [height, width, inputs]
    const float* weight;  // [colours, inputs], times the style
    const float* bias;    // [colours]
    const float* below;   // [colours, height / 2, width / 2] or null
    float* y;             // [colours, height, width]
    int64_t height, width, inputs, colours;
    float clamp, taps[4];
    int32_t threads;
};

// out[i] = sum over the lanes of sums[i]: halves of two registers meet in one, again and again.
template <int GROUP>
inline void fold(Lanes* sums) {
    typedef int32_t Order __attribute__((vector_size(4 * LANES)));
    Order low, high;
    for (int i = 0; i < LANES; i++) {
        bool own = i % GROUP < GROUP / 2;
        low[i] = own ? i : LANES + i - GROUP / 2;
        high[i] = own ? i + GROUP / 2 : LANES + i;
    }
    for (int i = 0; i < GROUP / 2; i++) {
        Lanes a = sums[i], b = sums[i + GROUP / 2];
#if defined(__clang__)
        for (int j = 0; j < LANES; j++) {
            auto pick = [&](int k) { return k < LANES ? a[k] : b[k - LANES]; };
            sums[i][j] = pick(low[j]) + pick(high[j]);
        }
#else
        sums[i] = __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
#endif
    }
    if constexpr (GROUP > 2) fold<GROUP / 2>(sums);
}

template <typename T>
void add_colour(const Image& image, int64_t colour, int64_t first, int64_t last) {
    const T* x = static_cast<const T*>(image.x);
    const float* weight = image.weight + colour * image.inputs;
    float* y = image.y + colour * image.height * image.width;
    for (int64_t pixel = first; pixel < last; pixel += LANES) {
        Lanes sums[LANES];
        for (int i = 0; i < LANES; i++) {
            sums[i] = Lanes{};
            for (int64_t c = 0; c < image.inputs; c += LANES)
                sums[i] += load(x + (pixel + i) * image.inputs + c) * load(weight + c);
        }
        fold<LANES>(sums);
        store(y + pixel, load(y + pixel) + clamp(sums[0] + image.bias[colour], image.clamp));
    }
}

// One row of the image below, enlarged: even pixels weigh the left neighbour, odd ones the right.
void enlarge_row(const Image& image, const float* below, int64_t row, float* line, float* y) {
    int64_t height = image.height / 2, width = image.width / 2, other = row / 2 + (row % 2 ? 1 : -1);
    float near = image.taps[row % 2 ? 1 : 2], far = image.taps[row % 2 ? 3 : 0];
    const float *a = below + row / 2 * width, *b = below + std::clamp<int64_t>(other, 0, height - 1) * width;
    if (other < 0 || other >= height) far = 0.f;
    for (int64_t i = 0; i < width; i++) line[i + 1] = near * a[i] + far * b[i];
    for (int64_t i = 0; i < width; i++) {
        y[2 * i] = image.taps[0] * line[i] + image.taps[2] * line[i + 1];
        y[2 * i + 1] = image.taps[1] * line[i + 1] + image.taps[3] * line[i + 2];
    }
}

template <typename T>
void colour(const Image& image) {
    int64_t rows = std::max<int64_t>(1, LANES / image.width), size = image.height * image.width;
#pragma omp parallel num_threads(image.threads)
    {
        std::vector<float> line(image.width / 2 + 2, 0.f);
#pragma omp for
        for (int64_t first = 0; first < image.height; first += rows)
            for (int64_t k = 0; k < image.colours; k++) {
                for (int64_t row = first; row < first + rows; row++) {
                    float* y = image.y + k * size + row * image.width;
                    if (image.below)
                        enlarge_row(image, image.below + k * size / 4, row, line.data(), y);
                    else
                        std::fill_n(y, image.width, 0.f);
                }
                add_colour<T>(image, k, first * image.width, (first + rows) * image.width);
            }
    }
}

}  // namespace
}  // namespace cpu

extern "C" {
void colour_float32(const cpu::Image* image) { cpu::colour<float>(*image); }
#if defined(__AVX512BF16__)
void colour_bfloat16(const cpu::Image* image) { cpu::colour<cpu::bfloat16>(*image); }
#endif
}
