// The middle of Winograd's and Toom and Cook's algorithms: tiles are transformed, multiplied, and transformed back.
#pragma once
#include <algorithm>
#include <omp.h>
#include <vector>
#include "layer.h"
#include "products.h"

namespace cpu {

// Inputs and products of the tiles that are held at once: [product][tile][channel].
template <typename T>
struct Products {
    static constexpr int64_t GAP = 64;  // elements, which keep the products out of each other's cache sets
    const Layer& layer;
    int64_t in_step, out_step;
    T* in;
    float* out;
    std::vector<const T*> in_rows;
    std::vector<float*> out_rows;

    Products(const Layer& layer, int64_t count, int64_t capacity, char* memory)
        : layer(layer),
          in_step(capacity * layer.inputs + GAP),
          out_step(capacity * layer.outputs + GAP),
          in(reinterpret_cast<T*>(memory + count * out_step * sizeof(float))),
          out(reinterpret_cast<float*>(memory)) {
        for (int64_t i = 0; i < capacity; i++) {
            in_rows.push_back(in + i * layer.inputs);
            out_rows.push_back(out + i * layer.outputs);
        }
    }

    static int64_t bytes(const Layer& layer, int64_t count, int64_t capacity) {
        return count * ((capacity * layer.outputs + GAP) * sizeof(float) + (capacity * layer.inputs + GAP) * sizeof(T));
    }

    T* input(int64_t product, int64_t tile) { return in + product * in_step + tile * layer.inputs; }
    const float* output(int64_t product, int64_t tile) const { return out + product * out_step + tile * layer.outputs; }

    // Multiply one product of all tiles held with one panel of one filter.
    void multiply_panel(int64_t held, int64_t product, int64_t filter, int64_t panel) {
        int64_t at = filter * (layer.outputs / PANEL) + panel;
        Tap<T> tap{product * in_step, static_cast<const T*>(layer.weight) + at * layer.inputs * PANEL};
        multiply(in_rows.data(), held, &tap, 1, layer.inputs, out_rows.data(), product * out_step + panel * PANEL);
    }
};

// The part of `count` things that one member of the team does.
struct Share {
    int64_t first, last;
    explicit Share(int64_t count)
        : first(count * omp_get_thread_num() / omp_get_num_threads()),
          last(count * (omp_get_thread_num() + 1) / omp_get_num_threads()) {}
};

template <typename Tiles>
int64_t tiles_bytes(const Layer& layer) {
    return Tiles::bytes(layer) * (layer.together ? 1 : layer.threads);
}

// For all threads of a team: run the tiles from `first` to `last`.
// Together, each thread multiplies its own panels: small maps have large weights, which are then read once.
// Apart, each takes tiles of its own: large maps have small weights, and the tiles stay in the core's own cache.
template <typename Tiles>
void run_tiles(Tiles& tiles, const Layer& layer, int64_t first, int64_t last) {
    int64_t panels = Tiles::FILTERS * layer.outputs / PANEL;
    if (layer.together) {
        for (; first < last; first += layer.block) {
            int64_t held = std::min(layer.block, last - first);
            Share share(panels);
#pragma omp for
            for (int64_t i = 0; i < held; i++) tiles.transform_input(first + i, i);
            tiles.multiply_panels(held, share.first, share.last);
#pragma omp barrier
#pragma omp for
            for (int64_t i = 0; i < held; i++) tiles.transform_output(first + i, i);
        }
        return;
    }
#pragma omp for schedule(dynamic, 1)
    for (int64_t start = first; start < last; start += layer.block) {
        int64_t held = std::min(layer.block, last - start);
        for (int64_t i = 0; i < held; i++) tiles.transform_input(start + i, i);
        tiles.multiply_panels(held, 0, panels);
        for (int64_t i = 0; i < held; i++) tiles.transform_output(start + i, i);
    }
}

// Where the tiles of this thread lie.
template <typename Tiles>
char* tiles_memory(const Layer& layer, char* memory) {
    return memory + (layer.together ? 0 : omp_get_thread_num() * Tiles::bytes(layer));
}

}  // namespace cpu
