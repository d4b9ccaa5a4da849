// One block computes one tile of one output plane. The upsampled image, four or more times as large as x, lives in
// shared memory only; where tiles share a border it is computed twice.
#include <algorithm>

#include "filtered_lrelu.h"

namespace stylegan_ops {
namespace {

constexpr int shared_bytes = 48 * 1024;  // what any GPU grants any kernel
constexpr int largest_tile = 32;         // rows and columns

__host__ __device__ int num_tiles(int length, int tile) { return (length - 1) / tile + 1; }

template <typename T>
__global__ void __launch_bounds__(256) filtered_lrelu_kernel(TiledLrelu tiled) {
    const Image& y = tiled.job.y;
    const int across = num_tiles(y.w, tiled.columns), down = num_tiles(y.h, tiled.rows);
    const int plane = static_cast<int>(blockIdx.x) / across / down, tile = blockIdx.x - plane * across * down;
    filtered_lrelu_tile<T>(tiled, plane / tiled.job.channels, plane % tiled.job.channels, tile / across * tiled.rows,
                           tile % across * tiled.columns);
}

// Size the buffers for a tile of y: -> elements in all.
int64_t size_buffers(TiledLrelu& tiled) {
    const FilteredLrelu& job = tiled.job;
    const int64_t fine_h = fine_extent(tiled.rows, job.shrink.factor, job.shrink.taps_h);
    const int64_t fine_w = fine_extent(tiled.columns, job.shrink.factor, job.shrink.taps_w);
    int64_t coarse = 0, half = tiled.rows * fine_w, taps = num_taps(job.shrink);
    for (const Resampling* step : {&job.up, &job.expand}) {
        if (step == &job.expand && !job.signal.data) break;
        const int64_t rows = coarse_extent(fine_h, step->factor, step->taps_h);
        coarse = std::max(coarse, rows * coarse_extent(fine_w, step->factor, step->taps_w));
        half = std::max(half, rows * fine_w);
        taps += num_taps(*step);
    }
    tiled.taps = taps;
    tiled.coarse_size = coarse;
    tiled.half_size = half;
    return taps + coarse + half + fine_h * fine_w;
}

template <typename T>
const char* launch_element_type(const FilteredLrelu& job, CUstream_st* stream) {
    TiledLrelu tiled = {job, std::min(job.y.h, largest_tile), std::min(job.y.w, largest_tile)};
    int64_t size = size_buffers(tiled);
    while (size * sizeof(Wide<T>) > shared_bytes) {
        if (tiled.rows == 1 && tiled.columns == 1) return "the filters are too long for a block's shared memory";
        int& longer = tiled.rows >= tiled.columns ? tiled.rows : tiled.columns;
        longer = (longer + 1) / 2;
        size = size_buffers(tiled);
    }
    const int64_t num_blocks = static_cast<int64_t>(job.num) * job.channels * num_tiles(job.y.h, tiled.rows) *
                               num_tiles(job.y.w, tiled.columns);
    return launch_kernel(filtered_lrelu_kernel<T>, num_blocks, dim3(32, 8), tiled, stream, size * sizeof(Wide<T>));
}

}  // namespace

const char* launch(const FilteredLrelu& job, Dtype dtype, CUstream_st* stream) {
    return with_element_type(dtype, [&](auto zero) { return launch_element_type<decltype(zero)>(job, stream); });
}

}  // namespace stylegan_ops
