// As much of CUDA as csrc/ uses, on the CPU: a launch runs every thread of the grid, one after another. The threads of
// a block that has shared memory are coroutines: each runs up to the next barrier before its neighbour does, so that a
// missing barrier leaves the first ones reading what the last ones have yet to write.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __host__
#define __device__
#define __launch_bounds__(threads)
#define __shared__

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
    size_t dynamicSmemBytes = 0;
    CUstream_st* stream = nullptr;
};

namespace stylegan_ops {

inline double shared[48 * 1024 / sizeof(double) + 64];  // of which no block gets the end

}  // namespace stylegan_ops

namespace fake_cuda {

struct Coroutine {
    ucontext_t context;
    dim3 index;
    bool done;
    std::unique_ptr<char[]> stack{new char[1 << 16]};
};

inline ucontext_t scheduler;
inline Coroutine* running;
inline std::function<void()> body;

inline void run_body() {
    body();
    running->done = true;
}

// Run every thread of the block up to its next barrier, until all have ended. Shared memory starts as NaNs; to write
// beyond what was asked for is fatal, and so is a barrier that only some of the threads reach.
inline void run_block(std::vector<Coroutine>& threads, size_t shared_bytes) {
    unsigned char* const shared = reinterpret_cast<unsigned char*>(stylegan_ops::shared);
    std::memset(shared, 0xff, sizeof(stylegan_ops::shared));
    for (Coroutine& thread : threads) {
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = 1 << 16;
        thread.context.uc_link = &scheduler;
        thread.done = false;
        makecontext(&thread.context, run_body, 0);
    }
    while (!threads[0].done) {
        for (Coroutine& thread : threads) {
            running = &thread;
            threadIdx = thread.index;
            swapcontext(&scheduler, &thread.context);
            if (thread.done != threads[0].done) std::abort();
        }
    }
    const auto is_written = [](unsigned char byte) { return byte != 0xff; };
    if (std::any_of(shared + shared_bytes, shared + sizeof(stylegan_ops::shared), is_written)) std::abort();
}

}  // namespace fake_cuda

inline void __syncthreads() { swapcontext(&fake_cuda::running->context, &fake_cuda::scheduler); }

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               const Arguments&... arguments) {
    const dim3 grid = config->gridDim, block = config->blockDim;
    if (grid.x == 0 || block.x * block.y * block.z > 1024 || block.z > 64) return cudaErrorInvalidConfiguration;
    if (config->dynamicSmemBytes > 48 * 1024) return cudaErrorInvalidConfiguration;
    blockDim = block;
    if (config->dynamicSmemBytes > 0) {
        fake_cuda::body = [&] { kernel(arguments...); };
        std::vector<fake_cuda::Coroutine> threads(block.x * block.y * block.z);
        for (unsigned i = 0; i < threads.size(); ++i) {
            threads[i].index = dim3(i % block.x, i / block.x % block.y, i / block.x / block.y);
        }
        for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) fake_cuda::run_block(threads, config->dynamicSmemBytes);
        return cudaSuccess;
    }
    for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
        for (threadIdx.z = 0; threadIdx.z < block.z; ++threadIdx.z)
            for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y)
                for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) kernel(arguments...);
    return cudaSuccess;
}
