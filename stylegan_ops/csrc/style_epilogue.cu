// What follows the convolution of a styled layer, in one pass: the image is read once and written once or twice, and the
// memory is the limit. The filter costs as many instructions as in upfirdn2d.cu.
#include "style_epilogue.h"

namespace stylegan_ops {
namespace {

template <typename T, int taps>
const char* launch_taps(const StyleEpilogue& job, CUstream_st* stream) {
    if (!is_channels_last(job.filter)) return launch_tiles<EpilogueTiles<T, taps, false, 1>>(job, stream);
    const auto outputs = reinterpret_cast<uintptr_t>(job.filter.y) | reinterpret_cast<uintptr_t>(job.z);
    const auto vectors = reinterpret_cast<uintptr_t>(job.scale) | reinterpret_cast<uintptr_t>(job.b) |
                         reinterpret_cast<uintptr_t>(job.next);
    const bool aligned = outputs % (vector<T> * sizeof(T)) == 0 && vectors % (vector<T> * sizeof(float)) == 0;
    if (!aligned || !is_vectorised(job.filter, vector<T>, sizeof(T))) {
        return launch_tiles<EpilogueTiles<T, taps, true, 1>>(job, stream);
    }
    return launch_tiles<EpilogueTiles<T, taps, true, vector<T>>>(job, stream);
}

}  // namespace

const char* launch(const StyleEpilogue& job, Dtype dtype, CUstream_st* stream) {
    if (job.filter.f && !is_tiled(job.filter)) return "only 4x4 filters and dense images are supported";
    return with_element_type(dtype, [&](auto zero) {
        using T = decltype(zero);
        return job.filter.f ? launch_taps<T, 4>(job, stream) : launch_taps<T, 1>(job, stream);
    });
}

}  // namespace stylegan_ops
