// Tensors as the launchers want them: pointers, sizes and strides, checked.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <array>
#include <climits>

#include "current_stream.h"
#include "launchers.h"

namespace stylegan_ops {

inline Dtype dtype_of(const at::Tensor& x) {
    switch (x.scalar_type()) {
        case at::kFloat: return Dtype::float32;
        case at::kDouble: return Dtype::float64;
        case at::kHalf: return Dtype::float16;
        case at::kBFloat16: return Dtype::bfloat16;
        default: TORCH_CHECK(false, "expected a floating-point tensor, got ", x.scalar_type());
    }
}

template <typename Job>
inline void launch_on_current_stream(const Job& job, const at::Tensor& x) {
    const c10::DeviceGuard guard(x.device());
    const char* error = launch(job, dtype_of(x), current_stream(x.device()));
    TORCH_CHECK(error == nullptr, "the kernel did not start: ", error);
}

inline int output_size(int64_t in, int64_t up, int64_t down, int64_t before, int64_t after, int64_t taps) {
    const int64_t padded = in * up + before + after;
    TORCH_CHECK(padded >= taps && padded <= INT_MAX / 2, "cannot filter ", padded, " pixels with ", taps, " taps");
    return static_cast<int>((padded - taps) / down + 1);
}

using Padding = std::array<int, 4>;  // left, right, top, bottom

inline void check_image(const at::Tensor& x) {
    TORCH_CHECK(x.dim() == 4 && x.size(2) > 0 && x.size(3) > 0, "x must be [N, C, H, W] and have pixels");
    TORCH_CHECK(x.size(0) * x.size(1) <= INT_MAX, "too many planes");
}

// An empty image for what the filter makes of x, in the layout of x.
inline at::Tensor filtered_like(const at::Tensor& x, int64_t out_h, int64_t out_w) {
    return at::empty({x.size(0), x.size(1), out_h, out_w}, x.options(), x.suggest_memory_format());
}

// All of the job but the filter.
inline Upfirdn2d image_job(const at::Tensor& x, const at::Tensor& y) {
    Upfirdn2d job = {};
    job.x = x.data_ptr();
    job.y = y.data_ptr();
    job.num = static_cast<int>(x.size(0));
    job.channels = static_cast<int>(x.size(1));
    job.in_h = static_cast<int>(x.size(2));
    job.in_w = static_cast<int>(x.size(3));
    job.out_h = static_cast<int>(y.size(2));
    job.out_w = static_cast<int>(y.size(3));
    job.filter_h = job.filter_w = job.up = job.down = 1;
    job.gain = 1;
    std::copy_n(x.strides().begin(), 4, job.x_stride);
    std::copy_n(y.strides().begin(), 4, job.y_stride);
    return job;
}

inline void set_filter(Upfirdn2d& job, const at::Tensor& f, const Padding& padding) {
    job.f = f.data_ptr<float>();
    job.filter_h = static_cast<int>(f.size(0));
    job.filter_w = static_cast<int>(f.size(1));
    job.left = padding[0];
    job.top = padding[2];
}

inline at::Tensor dense_filter(const at::Tensor& f, const at::Tensor& x) {
    TORCH_CHECK(f.dim() == 2 && f.scalar_type() == at::kFloat && f.device() == x.device(),
                "f must be [fh, fw] in float32 on x's device");
    return f.contiguous();
}

// A dense float32 vector or matrix that a kernel may read.
inline const float* floats(const at::Tensor& v, at::IntArrayRef sizes, const at::Tensor& x) {
    TORCH_CHECK(v.sizes() == sizes && v.is_contiguous() && v.scalar_type() == at::kFloat && v.device() == x.device(),
                "expected dense float32 values of the shape ", sizes, " on x's device, got ", v.sizes());
    return v.data_ptr<float>();
}

inline Image image_of(const at::Tensor& x) {
    Image image = {x.data_ptr(), static_cast<int>(x.size(2)), static_cast<int>(x.size(3))};
    std::copy_n(x.strides().begin(), 4, image.stride);
    return image;
}

inline Resampling resampling_of(const at::Tensor& f, int64_t factor, const at::Tensor& x) {
    TORCH_CHECK((f.dim() == 1 || f.dim() == 2) && f.scalar_type() == at::kFloat && f.device() == x.device(),
                "filters must be [n] or [fh, fw] in float32 on x's device");
    TORCH_CHECK(f.numel() > 0 && f.is_contiguous() && factor >= 1, "filters must be dense, up and down at least 1");
    Resampling step = {f.data_ptr<float>()};
    step.taps_h = static_cast<int>(f.size(0));
    step.taps_w = static_cast<int>(f.size(-1));
    step.separable = f.dim() == 1;
    step.factor = static_cast<int>(factor);
    step.gain = 1;
    return step;
}

}  // namespace stylegan_ops
