// Which thread computes what of an image: neighbouring threads take neighbouring elements, along x where the image is
// contiguous, along the channels where it is channels_last.
#pragma once

#include <algorithm>

#include "element.h"

namespace stylegan_ops {

constexpr int threads = 256;  // of a block: several blocks fit a multiprocessor whatever registers they take

// The work as a box: `lanes` run along memory, `rows` are its neighbours in the image.
struct Box {
    int lanes, rows, planes;
};

// One thread's share: the tile (y, x) of sample n, from channel c on.
struct Place {
    int n, c, y, x;
};

__host__ __device__ inline int num_tiles(int length, unsigned tile) {
    return static_cast<int>((length - 1) / tile + 1);
}

// Work says how many tiles there are down and across, and computes one tile for V channels.
template <typename Work>
__host__ __device__ Box box_of(const typename Work::Job& job) {
    const int down = Work::tiles_down(job), across = Work::tiles_across(job), channels = Work::channels(job) / Work::V;
    return Work::channels_last ? Box{channels, across, Work::samples(job) * down}
                               : Box{across, down, Work::samples(job) * channels};
}

template <typename Work>
__host__ __device__ Place place_of(const typename Work::Job& job, int lane, int row, int plane) {
    const int per_sample = Work::channels_last ? Work::tiles_down(job) : Work::channels(job) / Work::V;
    const int n = plane / per_sample, rest = plane - n * per_sample;
    return Work::channels_last ? Place{n, lane * Work::V, rest, row} : Place{n, rest * Work::V, row, lane};
}

template <typename Work>
__global__ void __launch_bounds__(threads) compute_tiles(typename Work::Job job) {
    const Box box = box_of<Work>(job);
    const unsigned lane_tiles = num_tiles(box.lanes, blockDim.x), row_tiles = num_tiles(box.rows, blockDim.y);
    const unsigned outer = blockIdx.x / lane_tiles;
    const int lane = blockIdx.x % lane_tiles * blockDim.x + threadIdx.x;
    const int row = outer % row_tiles * blockDim.y + threadIdx.y;
    const int plane = outer / row_tiles * blockDim.z + threadIdx.z;
    if (lane >= box.lanes || row >= box.rows || plane >= box.planes) return;
    Work::compute(job, place_of<Work>(job, lane, row, plane));
}

// The smallest power of two that covers `length`, but at most `limit` (itself one).
inline unsigned cover(int length, unsigned limit) {
    unsigned size = 1;
    while (size < limit && size < static_cast<unsigned>(length)) size *= 2;
    return size;
}

template <typename Work>
const char* launch_tiles(const typename Work::Job& job, CUstream_st* stream) {
    const Box box = box_of<Work>(job);
    dim3 block;
    block.x = cover(box.lanes, 32);
    block.y = cover(box.rows, threads / block.x);
    block.z = cover(box.planes, std::min(64u, threads / block.x / block.y));  // the hardware's limit is 64
    const int64_t num_blocks = static_cast<int64_t>(num_tiles(box.lanes, block.x)) * num_tiles(box.rows, block.y) *
                               num_tiles(box.planes, block.z);
    return launch_kernel(compute_tiles<Work>, num_blocks, block, job, stream);
}

}  // namespace stylegan_ops
