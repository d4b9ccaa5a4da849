// One thread computes a small tile of output pixels, or one pixel. The cache serves the pixels that tiles share. In
// half precision the limits are the memory and, close to it, the instructions: sixteen multiplications an output, the
// conversions and the loads, which vectors of channels make few; in single precision it is the memory alone.
#include "upfirdn2d.h"

namespace stylegan_ops {
namespace {

template <typename T>
constexpr int vector = full_pack<T> < 4 ? full_pack<T> : 4;  // channels of a thread: with 8, the sums would fill its registers

bool is_channels_last(const Upfirdn2d& job) { return job.y_stride[1] == 1 && job.channels > 1; }

// Whether all pixels of x and y begin on the grid of vectors of so many channels.
bool is_vectorised(const Upfirdn2d& job, int channels, int size) {
    int64_t offsets = job.channels;
    for (const int axis : {0, 2, 3}) offsets |= job.x_stride[axis] | job.y_stride[axis];
    const uintptr_t pointers = reinterpret_cast<uintptr_t>(job.x) | reinterpret_cast<uintptr_t>(job.y);
    return job.x_stride[1] == 1 && offsets % channels == 0 && pointers % (channels * size) == 0;
}

// Whether the filter is StyleGAN's, and the tiles can reach the pixels of x.
bool is_tiled(const Upfirdn2d& job) {
    const int64_t pitch = job.x_stride[3];
    const bool reaches = is_channels_last(job) ? pitch <= INT32_MAX / 16 : pitch == 1;
    return reaches && job.filter_h == 4 && job.filter_w == 4;
}

template <typename T, int up, int down>
const char* launch_sampling(const Upfirdn2d& job, CUstream_st* stream) {
    if (!is_channels_last(job)) return launch_tiles<Tiles<T, up, down, false, 1>>(job, stream);
    if (!is_vectorised(job, vector<T>, sizeof(T))) return launch_tiles<Tiles<T, up, down, true, 1>>(job, stream);
    return launch_tiles<Tiles<T, up, down, true, vector<T>>>(job, stream);
}

template <typename T>
const char* launch_element_type(const Upfirdn2d& job, CUstream_st* stream) {
    if (is_tiled(job)) {
        if (job.up == 1 && job.down == 1) return launch_sampling<T, 1, 1>(job, stream);
        if (job.up == 2 && job.down == 1) return launch_sampling<T, 2, 1>(job, stream);
        if (job.up == 1 && job.down == 2) return launch_sampling<T, 1, 2>(job, stream);
    }
    if (is_channels_last(job)) return launch_tiles<Pixel<T, true>>(job, stream);
    return launch_tiles<Pixel<T, false>>(job, stream);
}

}  // namespace

const char* launch(const Upfirdn2d& job, Dtype dtype, CUstream_st* stream) {
    return with_element_type(dtype, [&](auto zero) { return launch_element_type<decltype(zero)>(job, stream); });
}

}  // namespace stylegan_ops
