// A modulated transposed 3 x 3 convolution of stride 2 by Toom and Cook's products, its low-pass filter and all that
// follows.
#include <memory>
#include "filter.h"
#include "tiles.h"
#include "winograd.h"

namespace cpu {
namespace {

using F = Transposed;

// The last row or column of the raw result, which no tile covers: a transposed filter along the border of x.
template <typename T>
struct Border : Products<T> {
    const Layer& layer;
    bool bottom;
    int64_t length, tiles;
    float* result;  // [8 tiles, outputs]

    Border(const Layer& layer, bool bottom, char* memory)
        : Products<T>(layer, F::PRODUCTS, capacity(layer), memory),
          layer(layer),
          bottom(bottom),
          length(bottom ? layer.width : layer.height),
          tiles(length / F::STEP + 1),
          result(reinterpret_cast<float*>(memory + Products<T>::bytes(layer, F::PRODUCTS, capacity(layer)))) {}

    static int64_t capacity(const Layer& layer) { return std::max(layer.width, layer.height) / F::STEP + 1; }

    static int64_t bytes(const Layer& layer) {
        return Products<T>::bytes(layer, F::PRODUCTS, capacity(layer)) +
               capacity(layer) * F::OUT * layer.outputs * static_cast<int64_t>(sizeof(float));
    }

    void transform_input(int64_t tile) {
        for (int64_t c = 0; c < layer.inputs; c += LANES) {
            Lanes line[F::IN], done[F::PRODUCTS],
                style = 2.f * load(layer.styles + c);  // 2 as point 0 weighs its first input
            for (int j = 0; j < F::IN; j++) {
                int64_t i = tile * F::STEP + j - 1,
                        pixel = bottom ? (layer.height - 1) * layer.width + i : (i + 1) * layer.width - 1;
                line[j] = i >= 0 && i < length ? load(static_cast<const T*>(layer.x) + pixel * layer.inputs + c) * style
                                               : Lanes{};
            }
            F::input(line, 1, done, 1);
            for (int k = 0; k < F::PRODUCTS; k++) store(this->input(k, tile) + c, done[k]);
        }
    }

    void transform_output(int64_t tile) {
        for (int64_t c = 0; c < layer.outputs; c += LANES) {
            Lanes line[F::PRODUCTS], done[F::OUT];
            for (int k = 0; k < F::PRODUCTS; k++) line[k] = load(this->output(k, tile) + c);
            F::output(line, 1, done, 1);
            for (int i = 0; i < F::OUT; i++) store(result + (tile * F::OUT + i) * layer.outputs + c, done[i]);
        }
    }

    // For all threads of a team.
    void run() {
        int64_t panels = layer.outputs / PANEL;
        Share share(F::PRODUCTS * panels);
#pragma omp for
        for (int64_t i = 0; i < tiles; i++) transform_input(i);
        for (int64_t p = share.first; p < share.last; p++)
            this->multiply_panel(tiles, p / panels, F::filter(p / panels) * (bottom ? 1 : F::WIDTH), p % panels);
#pragma omp barrier
#pragma omp for
        for (int64_t i = 0; i < tiles; i++) transform_output(i);
    }
};

template <typename T>
struct Tiles : Products<T> {
    static constexpr int COUNT = F::PRODUCTS * F::PRODUCTS, FILTERS = F::WIDTH * F::WIDTH;
    const Layer& layer;
    const Raw& raw;
    const Border<T>&bottom, &right;
    int64_t across, down;

    Tiles(const Layer& layer, const Raw& raw, const Border<T>& bottom, const Border<T>& right, char* memory)
        : Products<T>(layer, COUNT, layer.block, memory),
          layer(layer),
          raw(raw),
          bottom(bottom),
          right(right),
          across(layer.width / F::STEP),
          down(layer.height / F::STEP) {}

    static int64_t bytes(const Layer& layer) { return Products<T>::bytes(layer, COUNT, layer.block); }

    void transform_input(int64_t tile, int64_t slot) {
        int64_t row = tile / across * F::STEP - 1, column = tile % across * F::STEP - 1;
        const T* x = static_cast<const T*>(layer.x) + (row * layer.width + column) * layer.inputs;
        for (int64_t c = 0; c < layer.inputs; c += LANES) {
            Lanes style = load(layer.styles + c), half[F::IN * F::PRODUCTS], whole[COUNT];
            for (int i = 0; i < F::IN; i++) {
                Lanes line[F::IN];
                for (int j = 0; j < F::IN; j++) {
                    bool inside = row + i >= 0 && column + j >= 0;
                    line[j] = inside ? load(x + (i * layer.width + j) * layer.inputs + c) * style : Lanes{};
                }
                F::input(line, 1, half + i * F::PRODUCTS, 1);
            }
            for (int j = 0; j < F::PRODUCTS; j++) F::input(half + j, F::PRODUCTS, whole + j, F::PRODUCTS);
            for (int k = 0; k < COUNT; k++) store(this->input(k, slot) + c, whole[k]);
        }
    }

    void multiply_panels(int64_t held, int64_t first, int64_t last) {
        int64_t panels = layer.outputs / PANEL;
        for (int64_t p = first; p < last; p++)
            for (int k = 0; k < COUNT; k++)
                if (F::filter(k / F::PRODUCTS) * F::WIDTH + F::filter(k % F::PRODUCTS) == p / panels)
                    this->multiply_panel(held, k, p / panels, p % panels);
    }

    void transform_output(int64_t tile, int64_t slot) {
        int64_t row = tile / across * F::OUT, column = tile % across * F::OUT;
        for (int64_t c = 0; c < layer.outputs; c += LANES) {
            Lanes half[F::PRODUCTS * F::OUT], line[F::PRODUCTS], done[F::OUT];
            for (int i = 0; i < F::PRODUCTS; i++) {
                for (int j = 0; j < F::PRODUCTS; j++) line[j] = load(this->output(i * F::PRODUCTS + j, slot) + c);
                F::output(line, 1, half + i * F::OUT, 1);
            }
            for (int j = 0; j < F::OUT; j++) {
                F::output(half + j, F::OUT, done, 1);
                for (int i = 0; i < F::OUT; i++) store(raw.at(row + i, column + j) + c, done[i]);
            }
        }
        copy_border(row, column);
    }

    void copy_border(int64_t row, int64_t column) {
        int64_t bytes = layer.outputs * sizeof(float);
        bool last_row = row + F::OUT + 1 == raw.rows, last_column = column + F::OUT + 1 == raw.columns;
        if (last_row)
            std::memcpy(raw.at(raw.rows - 1, column), bottom.result + column * layer.outputs,
                        (F::OUT + last_column) * bytes);
        for (int64_t i = 0; i < F::OUT && last_column; i++)
            std::memcpy(raw.at(row + i, raw.columns - 1), right.result + (row + i) * layer.outputs, bytes);
    }
};

// How many rows of tiles are made before they are filtered: enough for all threads, few enough for the cache.
int64_t band(const Layer& layer) {
    int64_t across = layer.width / F::STEP, wanted = 2 * layer.threads * layer.block;
    return std::min(layer.height / F::STEP, (wanted + across - 1) / across);
}

Raw hold_band(const Layer& layer) { return Raw(layer, band(layer) * F::OUT + 4); }

template <typename T>
int64_t scratch_bytes(const Layer& layer) {
    return hold_band(layer).bytes() + 2 * Border<T>::bytes(layer) + tiles_bytes<Tiles<T>>(layer);
}

template <typename T>
void upsample(const Layer& layer) {
    Raw raw = hold_band(layer);
    char* memory = layer.scratch + raw.bytes();
    Border<T> bottom(layer, true, memory), right(layer, false, memory + Border<T>::bytes(layer));
    memory += 2 * Border<T>::bytes(layer);
#pragma omp parallel num_threads(layer.threads)
    {
        bottom.run();
        right.run();
        Tiles<T> tiles(layer, raw, bottom, right, tiles_memory<Tiles<T>>(layer, memory));
        std::unique_ptr<Lanes[]> ring(new Lanes[4 * layer.outputs / LANES]);
        for (int64_t row = 0, filtered = 0; row < tiles.down; row += band(layer)) {
            int64_t end = std::min(tiles.down, row + band(layer)),
                    ready = end == tiles.down ? 2 * layer.height : end * F::OUT - 2;
            run_tiles(tiles, layer, row * tiles.across, end * tiles.across);
            filter_rows<T>(layer, raw, filtered, ready, ring.get());
            filtered = ready;
        }
    }
}

}  // namespace
}  // namespace cpu

extern "C" {
void upsample_float32(const cpu::Layer* layer) { cpu::upsample<float>(*layer); }
int64_t upsample_float32_scratch(const cpu::Layer* layer) { return cpu::scratch_bytes<float>(*layer); }
}
