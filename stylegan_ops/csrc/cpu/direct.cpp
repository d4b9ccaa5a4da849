// The same two layers by plain sums over the nine taps: for maps so small that reading the weights is the work.
#include <memory>
#include "filter.h"
#include "tiles.h"

namespace cpu {
namespace {

// Scratch: the result before the epilogue, and x times its style within a frame of zeros.
struct Plan {
    int64_t up, width;
    Raw raw;

    Plan(const Layer& layer, int64_t up) : up(up), width(layer.width + 2), raw(layer, up * layer.height + up - 1) {
        raw.columns = up * layer.width + up - 1;
    }

    template <typename T>
    T* framed(const Layer& layer) const {
        return reinterpret_cast<T*>(layer.scratch + raw.bytes());
    }

    template <typename T>
    int64_t bytes(const Layer& layer) const {
        return raw.bytes() + (layer.height + 2) * width * layer.inputs * static_cast<int64_t>(sizeof(T));
    }
};

template <typename T>
void frame(const Layer& layer, const Plan& plan) {
#pragma omp for
    for (int64_t i = 0; i < (layer.height + 2) * plan.width; i++) {
        int64_t row = i / plan.width - 1, column = i % plan.width - 1;
        bool inside = row >= 0 && row < layer.height && column >= 0 && column < layer.width;
        const T* x = static_cast<const T*>(layer.x) + (row * layer.width + column) * layer.inputs;
        T* framed = plan.framed<T>(layer) + i * layer.inputs;
        for (int64_t c = 0; c < layer.inputs; c += LANES)
            store(framed + c, inside ? load(x + c) * load(layer.styles + c) : Lanes{});
    }
}

// Pixels that sum the same taps: all of them, or of an upsampled map every other row and column, from (row, column) on.
template <typename T>
void multiply_phase(const Layer& layer, const Plan& plan, int64_t row, int64_t column) {
    std::vector<const T*> in;
    std::vector<float*> out;
    for (int64_t y = row; y < plan.raw.held; y += plan.up)
        for (int64_t x = column; x < plan.raw.columns; x += plan.up) {
            in.push_back(plan.framed<T>(layer) + ((y / plan.up + 1) * plan.width + x / plan.up + 1) * layer.inputs);
            out.push_back(plan.raw.at(y, x));
        }
    Share share(layer.outputs / PANEL);
    for (int64_t p = share.first; p < share.last; p++) {
        Tap<T> taps[9];
        int count = 0;
        for (int64_t k = 0; k < 9; k++) {
            int64_t ky = k / 3, kx = k % 3;
            if (plan.up == 2 && (ky % 2 != row || kx % 2 != column)) continue;
            int64_t dy = plan.up == 1 ? ky - 1 : -(ky / 2), dx = plan.up == 1 ? kx - 1 : -(kx / 2);
            taps[count++] = {(dy * plan.width + dx) * layer.inputs,
                             static_cast<const T*>(layer.weight) + (p * 9 + k) * layer.inputs * PANEL};
        }
        multiply(in.data(), static_cast<int64_t>(in.size()), taps, count, layer.inputs, out.data(), p * PANEL);
    }
}

template <typename T>
void finish_all(const Layer& layer, const Raw& raw) {
    Epilogue finish(layer);
#pragma omp for
    for (int64_t i = 0; i < layer.height * layer.width; i++)
        for (int64_t c = 0; c < layer.outputs; c += LANES) {
            int64_t at = i * layer.outputs + c;
            store(static_cast<T*>(layer.y) + at, finish(load(raw.data + at), c, noise_at(layer, i)));
        }
}

template <typename T>
void run(const Layer& layer, int64_t up) {
    Plan plan(layer, up);
#pragma omp parallel num_threads(layer.threads)
    {
        frame<T>(layer, plan);
        for (int64_t i = 0; i < up * up; i++) multiply_phase<T>(layer, plan, i / up, i % up);
#pragma omp barrier
        std::unique_ptr<Lanes[]> ring(new Lanes[4 * layer.outputs / LANES]);
        if (up == 1)
            finish_all<T>(layer, plan.raw);
        else
            filter_rows<T>(layer, plan.raw, 0, 2 * layer.height, ring.get());
    }
}

}  // namespace
}  // namespace cpu

extern "C" {
int64_t panel_channels() { return cpu::PANEL; }
void direct_float32(const cpu::Layer* layer) { cpu::run<float>(*layer, 1); }
void direct_upsample_float32(const cpu::Layer* layer) { cpu::run<float>(*layer, 2); }
int64_t direct_float32_scratch(const cpu::Layer* layer) { return cpu::Plan(*layer, 1).bytes<float>(*layer); }
int64_t direct_upsample_float32_scratch(const cpu::Layer* layer) { return cpu::Plan(*layer, 2).bytes<float>(*layer); }
#if defined(__AVX512BF16__)
void direct_bfloat16(const cpu::Layer* layer) { cpu::run<cpu::bfloat16>(*layer, 1); }
void direct_upsample_bfloat16(const cpu::Layer* layer) { cpu::run<cpu::bfloat16>(*layer, 2); }
int64_t direct_bfloat16_scratch(const cpu::Layer* layer) { return cpu::Plan(*layer, 1).bytes<cpu::bfloat16>(*layer); }
int64_t direct_upsample_bfloat16_scratch(const cpu::Layer* layer) {
    return cpu::Plan(*layer, 2).bytes<cpu::bfloat16>(*layer);
}
#endif
}
