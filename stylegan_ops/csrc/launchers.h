// What the bindings know of the kernels: pointers, sizes and strides, free of torch's and CUDA's headers.
#pragma once

#include <cstdint>

struct CUstream_st;  // cudaStream_t points to it

namespace stylegan_ops {

enum class Dtype { float32, float64, float16, bfloat16 };

enum class Activation { linear, relu, lrelu, tanh, sigmoid, elu, selu, softplus, swish };

// y = F(x + b) for order 0, y = g * F'(x + b) for order 1 and y = g * F''(x + b) for order 2,
// where F(u) = clamp(gain * act(u)). All tensors but b share one dense layout.
struct BiasAct {
    const void* x;
    const void* b;  // nullptr: no bias
    const void* g;  // read for orders 1 and 2
    void* y;
    int64_t numel;
    int64_t step;  // elements between neighbours along the bias's axis
    int size;      // length of the bias's axis
    Activation activation;
    int order;
    double gain;
    double clamp;  // infinity: no clamp
};

// y[oy, ox] = sum over (ky, kx) of gain * f~[ky, kx] * upsampled x[oy * down - top + ky, ox * down - left + kx],
// where f~ is f turned by 180 degrees, or f itself where `flip` is set. Strides are in elements.
struct Upfirdn2d {
    const void* x;
    const float* f;  // [filter_h, filter_w], dense
    void* y;
    int num, channels, in_h, in_w, out_h, out_w, filter_h, filter_w;
    int64_t x_stride[4], y_stride[4];  // of [N, C, H, W]
    int up, down, left, top;
    double gain;
    bool flip;
};

// Strides are in elements, of [N, C, H, W].
struct Image {
    void* data;
    int h, w;
    int64_t stride[4];
};

// A change of resolution between a coarse and a fine image. With f~ as in Upfirdn2d, [n] along both axes where
// `separable`, and the coarse pixels `factor` apart among zeros:
//   fine[y, x] = gain * sum over (ky, kx) of f~[ky, kx] * coarse[y - top + ky, x - left + kx], or
//   coarse[y, x] = gain * sum over (ky, kx) of f~[ky, kx] * fine[y * factor - top + ky, x * factor - left + kx].
struct Resampling {
    const float* f;
    int taps_h, taps_w;
    bool separable, flip;
    int factor, left, top;
    double gain;
};

// y = shrink(F(up(x + b))), or y = shrink(F'(up(x + b)) * expand(signal)) where there is a signal,
// where F(u) = clamp(gain * leaky_relu(u)).
struct FilteredLrelu {
    Image x, signal, y;  // signal.data nullptr: none
    const void* b;       // nullptr: no bias
    int num, channels;
    Resampling up, expand, shrink;
    double gain, slope;
    double clamp;  // infinity: no clamp
};

// y = clamp(gain * leaky_relu(u * scale + noise + b)) and z = y * next, where u is what `filter` makes of its x, or that
// x itself where its f is nullptr. The vectors are float32 whatever the images are.
struct StyleEpilogue {
    Upfirdn2d filter;    // its y: nullptr where only z is asked for
    void* z;             // laid out like y; nullptr: none
    const float* scale;  // [N, C]
    const float* b;      // [C]
    const float* next;   // [N, C]; read where there is a z
    const float* noise;  // [out_h, out_w] for all samples, or `noise_stride` apart for each; nullptr: none
    int64_t noise_stride;
    double gain, slope;
    double clamp;  // infinity: no clamp
};

// Queue the job on the stream; return what went wrong, or nullptr. Pointers of BiasAct are 16-byte aligned.
const char* launch(const BiasAct& job, Dtype dtype, CUstream_st* stream);
const char* launch(const Upfirdn2d& job, Dtype dtype, CUstream_st* stream);
const char* launch(const FilteredLrelu& job, Dtype dtype, CUstream_st* stream);
const char* launch(const StyleEpilogue& job, Dtype dtype, CUstream_st* stream);

}  // namespace stylegan_ops
