// One thread computes a small tile of output pixels, or one pixel. The cache serves the pixels that tiles share. In
// half precision the limits are the memory and, close to it, the instructions: sixteen multiplications an output, the
// conversions and the loads, which vectors of channels make few; in single precision it is the memory alone.
#include "upfirdn2d.h"

namespace stylegan_ops {
namespace {

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
