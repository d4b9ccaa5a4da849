// One thread computes one strip of output pixels, or one pixel. Neighbouring threads write neighbouring elements:
// along x in a contiguous image, along the channels in channels_last. The cache serves the rows that strips share.
#include <algorithm>

#include "upfirdn2d.h"

namespace stylegan_ops {
namespace {

constexpr int threads = 256;

// The work as a box: `lanes` run along memory, `rows` are its neighbours in the image.
struct Box {
    int lanes, rows, planes;
};

template <typename Patch, bool channels_last>
__host__ __device__ Box work(const Upfirdn2d& job) {
    const int strips = Patch::count(job);
    return channels_last ? Box{job.channels, job.out_w, job.num * strips}
                         : Box{job.out_w, strips, job.num * job.channels};
}

__host__ __device__ int num_tiles(int length, unsigned tile) { return static_cast<int>((length - 1) / tile + 1); }

template <typename Patch, typename T, bool channels_last>
__global__ void __launch_bounds__(threads) upfirdn2d_kernel(Upfirdn2d job) {
    const Box box = work<Patch, channels_last>(job);
    const unsigned lane_tiles = num_tiles(box.lanes, blockDim.x), row_tiles = num_tiles(box.rows, blockDim.y);
    const unsigned outer = blockIdx.x / lane_tiles;
    const int lane = blockIdx.x % lane_tiles * blockDim.x + threadIdx.x;
    const int row = outer % row_tiles * blockDim.y + threadIdx.y;
    const int plane = outer / row_tiles * blockDim.z + threadIdx.z;
    if (lane >= box.lanes || row >= box.rows || plane >= box.planes) return;
    if constexpr (channels_last) {
        const int strips = Patch::count(job);
        Patch::template compute<T>(job, plane / strips, lane, plane % strips, row);
    } else {
        Patch::template compute<T>(job, plane / job.channels, plane % job.channels, row, lane);
    }
}

// The smallest power of two that covers `length`, but at most `limit` (itself one).
unsigned cover(int length, unsigned limit) {
    unsigned size = 1;
    while (size < limit && size < static_cast<unsigned>(length)) size *= 2;
    return size;
}

template <typename Patch, typename T, bool channels_last>
const char* launch_layout(const Upfirdn2d& job, CUstream_st* stream) {
    const Box box = work<Patch, channels_last>(job);
    dim3 block;
    block.x = cover(box.lanes, 32);
    block.y = cover(box.rows, threads / block.x);
    block.z = cover(box.planes, std::min(64u, threads / block.x / block.y));  // the hardware's limit is 64
    const int64_t num_blocks = static_cast<int64_t>(num_tiles(box.lanes, block.x)) * num_tiles(box.rows, block.y) *
                               num_tiles(box.planes, block.z);
    return launch_kernel(upfirdn2d_kernel<Patch, T, channels_last>, num_blocks, block, job, stream);
}

template <typename Patch, typename T>
const char* launch_patch(const Upfirdn2d& job, CUstream_st* stream) {
    const bool channels_last = job.y_stride[1] == 1 && job.channels > 1;
    return channels_last ? launch_layout<Patch, T, true>(job, stream) : launch_layout<Patch, T, false>(job, stream);
}

template <typename T>
const char* launch_element_type(const Upfirdn2d& job, CUstream_st* stream) {
    if (job.filter_h == 4 && job.filter_w == 4) {
        if (job.up == 1 && job.down == 1) return launch_patch<Strip<1, 1>, T>(job, stream);
        if (job.up == 2 && job.down == 1) return launch_patch<Strip<2, 1>, T>(job, stream);
        if (job.up == 1 && job.down == 2) return launch_patch<Strip<1, 2>, T>(job, stream);
    }
    return launch_patch<Pixel, T>(job, stream);
}

}  // namespace

const char* launch(const Upfirdn2d& job, Dtype dtype, CUstream_st* stream) {
    return with_element_type(dtype, [&](auto zero) { return launch_element_type<decltype(zero)>(job, stream); });
}

}  // namespace stylegan_ops
