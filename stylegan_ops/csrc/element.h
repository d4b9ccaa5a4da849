// Element types: what they accumulate in, how they widen and narrow, and the launch over one of them.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "launchers.h"

namespace stylegan_ops {

__host__ __device__ inline float widen(float v) { return v; }
__host__ __device__ inline double widen(double v) { return v; }
__host__ __device__ inline float widen(__half v) { return __half2float(v); }
__host__ __device__ inline float widen(__nv_bfloat16 v) { return __bfloat162float(v); }

__host__ __device__ inline void narrow(float v, float& to) { to = v; }
__host__ __device__ inline void narrow(double v, double& to) { to = v; }
__host__ __device__ inline void narrow(float v, __half& to) { to = __float2half(v); }
__host__ __device__ inline void narrow(float v, __nv_bfloat16& to) { to = __float2bfloat16(v); }

template <typename T>
using Wide = decltype(widen(T()));  // float, or double for double

// Call f with a zero of the C++ type behind `dtype`.
template <typename F>
const char* with_element_type(Dtype dtype, F f) {
    switch (dtype) {
        case Dtype::float32: return f(float());
        case Dtype::float64: return f(double());
        case Dtype::float16: return f(__half());
        case Dtype::bfloat16: return f(__nv_bfloat16());
    }
    return "unknown element type";
}

template <typename Job>
const char* launch_kernel(void (*kernel)(Job), int64_t num_blocks, dim3 block, const Job& job, CUstream_st* stream,
                          size_t shared_bytes = 0) {
    if (num_blocks > INT32_MAX) return "tensor too large for one launch";
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(num_blocks));
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    const cudaError_t error = cudaLaunchKernelEx(&config, kernel, job);
    return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace stylegan_ops
