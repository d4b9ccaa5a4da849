// As much of CUDA as csrc/ uses, on the CPU: a launch runs every thread of the grid, one after another.
// The kernels hold no barrier and share no memory, so that the order makes no difference.
#pragma once

#include <algorithm>
#include <cstdint>

#define __global__
#define __host__
#define __device__
#define __launch_bounds__(threads)

using std::max;

struct CUstream_st;

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline thread_local dim3 blockIdx, threadIdx, blockDim;

enum cudaError_t { cudaSuccess, cudaErrorInvalidConfiguration };

inline const char* cudaGetErrorString(cudaError_t) { return "invalid configuration argument"; }

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    CUstream_st* stream = nullptr;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               const Arguments&... arguments) {
    const dim3 grid = config->gridDim, block = config->blockDim;
    if (grid.x == 0 || block.x * block.y * block.z > 1024 || block.z > 64) return cudaErrorInvalidConfiguration;
    blockDim = block;
    for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
        for (threadIdx.z = 0; threadIdx.z < block.z; ++threadIdx.z)
            for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y)
                for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) kernel(arguments...);
    return cudaSuccess;
}
