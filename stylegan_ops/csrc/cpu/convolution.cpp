// A modulated 3 x 3 convolution by Winograd's algorithm, and all that follows it.
#include "tiles.h"
#include "winograd.h"

namespace cpu {
namespace {

template <typename T, typename F>
struct Tiles : Products<T> {
    static constexpr int FILTERS = F::PRODUCTS * F::PRODUCTS;
    const Layer& layer;
    int64_t across;

    Tiles(const Layer& layer, char* memory)
        : Products<T>(layer, FILTERS, layer.block, memory), layer(layer), across(layer.width / F::OUT) {}

    static int64_t bytes(const Layer& layer) { return Products<T>::bytes(layer, FILTERS, layer.block); }

    void transform_input(int64_t tile, int64_t slot) {
        const T* pixels[F::IN * F::IN];
        for (int i = 0; i < F::IN * F::IN; i++) {
            int64_t row = tile / across * F::OUT + i / F::IN - 1, column = tile % across * F::OUT + i % F::IN - 1;
            bool inside = row >= 0 && row < layer.height && column >= 0 && column < layer.width;
            pixels[i] = inside ? static_cast<const T*>(layer.x) + (row * layer.width + column) * layer.inputs : nullptr;
        }
        for (int64_t c = 0; c < layer.inputs; c += LANES) {
            Lanes style = load(layer.styles + c), half[F::PRODUCTS * F::IN], whole[FILTERS];
            for (int i = 0; i < F::IN; i++) {
                Lanes line[F::IN];
                for (int j = 0; j < F::IN; j++)
                    line[j] = pixels[i * F::IN + j] ? load(pixels[i * F::IN + j] + c) * style : Lanes{};
                F::input(line, 1, half + i * F::PRODUCTS, 1);
            }
            for (int j = 0; j < F::PRODUCTS; j++) F::input(half + j, F::PRODUCTS, whole + j, F::PRODUCTS);
            for (int k = 0; k < FILTERS; k++) store(this->input(k, slot) + c, whole[k]);
        }
    }

    void multiply_panels(int64_t held, int64_t first, int64_t last) {
        int64_t panels = layer.outputs / PANEL;
        for (int64_t p = first; p < last; p++) this->multiply_panel(held, p / panels, p / panels, p % panels);
    }

    void transform_output(int64_t tile, int64_t slot) {
        Epilogue finish(layer);
        int64_t corner = (tile / across * layer.width + tile % across) * F::OUT;
        T* y = static_cast<T*>(layer.y);
        for (int64_t c = 0; c < layer.outputs; c += LANES) {
            Lanes whole[FILTERS], half[F::PRODUCTS * F::OUT], done[F::OUT * F::OUT];
            for (int k = 0; k < FILTERS; k++) whole[k] = load(this->output(k, slot) + c);
            for (int i = 0; i < F::PRODUCTS; i++) F::output(whole + i * F::PRODUCTS, 1, half + i * F::OUT, 1);
            for (int j = 0; j < F::OUT; j++) F::output(half + j, F::OUT, done + j, F::OUT);
            for (int i = 0; i < F::OUT * F::OUT; i++) {
                int64_t pixel = corner + i / F::OUT * layer.width + i % F::OUT;
                store(y + pixel * layer.outputs + c, finish(done[i], c, noise_at(layer, pixel)));
            }
        }
    }
};

template <typename T, typename F>
void convolve(const Layer& layer) {
#pragma omp parallel num_threads(layer.threads)
    {
        Tiles<T, F> tiles(layer, tiles_memory<Tiles<T, F>>(layer, layer.scratch));
        run_tiles(tiles, layer, 0, layer.height / F::OUT * tiles.across);
    }
}

}  // namespace
}  // namespace cpu

extern "C" {
void winograd_float32(const cpu::Layer* layer) { cpu::convolve<float, cpu::Four>(*layer); }
int64_t winograd_float32_scratch(const cpu::Layer* layer) {
    return cpu::tiles_bytes<cpu::Tiles<float, cpu::Four>>(*layer);
}
#if defined(__AVX512BF16__)
void winograd_bfloat16(const cpu::Layer* layer) { cpu::convolve<cpu::bfloat16, cpu::Two>(*layer); }
int64_t winograd_bfloat16_scratch(const cpu::Layer* layer) {
    return cpu::tiles_bytes<cpu::Tiles<cpu::bfloat16, cpu::Two>>(*layer);
}
#endif
}
