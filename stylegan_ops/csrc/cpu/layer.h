// What Python hands over for one layer of one face (see compiled_layers.py, which mirrors these structures).
// Feature maps are dense [height, width, channels]; channels are multiples of 32.
#pragma once
#include <cstdint>
#include "lanes.h"

namespace cpu {

struct Layer {
    const void* x;        // [height, width, inputs]
    const void* weight;   // packed, see products.h
    const float* styles;  // [inputs]
    const float* demod;   // [outputs], times the gain
    const float* bias;    // [outputs], times the gain
    const float* noise;   // [rows of y, columns of y], times the gain; or null
    void* y;              // [height * up, width * up, outputs]
    char* scratch;        // as many bytes as the function's *_scratch says
    int64_t height, width, inputs, outputs;
    int64_t block;     // tiles that are held at once
    int64_t together;  // do all threads work on the same tiles?
    float clamp;       // infinity for none
    float taps[4];     // of the low-pass filter, mirrored, times 2
    int32_t threads;
};

// Demodulate, add noise and bias, apply the leaky ReLU, clamp: one register of one pixel.
struct Epilogue {
    const float *demod, *bias;
    float bound;

    explicit Epilogue(const Layer& layer) : demod(layer.demod), bias(layer.bias), bound(layer.clamp) {}

    Lanes operator()(Lanes sum, int64_t channel, float noise) const {
        return clamp(leaky_relu(sum * load(demod + channel) + (load(bias + channel) + noise)), bound);
    }
};

inline float noise_at(const Layer& layer, int64_t pixel) { return layer.noise ? layer.noise[pixel] : 0.f; }

}  // namespace cpu
