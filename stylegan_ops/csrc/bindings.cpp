// Check tensors, allocate the output and launch on torch's current stream.
#include <ATen/ops/empty_like.h>
#include <torch/csrc/utils/pybind.h>

#include <optional>
#include <string>
#include <utility>

#include "tensors.h"

namespace stylegan_ops {
namespace {

Activation activation_of(const std::string& name) {
    static constexpr const char* names[] = {"linear", "relu", "lrelu",    "tanh", "sigmoid",
                                            "elu",    "selu", "softplus", "swish"};
    const auto found = std::find(std::begin(names), std::end(names), name);
    TORCH_CHECK(found != std::end(names), "unknown activation '", name, "'");
    return static_cast<Activation>(found - std::begin(names));
}

bool aligned(const at::Tensor& x) { return reinterpret_cast<uintptr_t>(x.data_ptr()) % 16 == 0; }

// A tensor that the kernel may read as one dense run of 16-byte packs.
at::Tensor packed(const at::Tensor& x) {
    const at::Tensor dense = x.is_non_overlapping_and_dense() ? x : x.contiguous();
    return aligned(dense) ? dense : dense.clone();
}

// g in the very layout of x, or g itself where it has that already.
at::Tensor laid_out_like(const at::Tensor& x, const at::Tensor& g) {
    TORCH_CHECK(g.sizes() == x.sizes() && g.scalar_type() == x.scalar_type() && g.device() == x.device(),
                "g must have the shape, dtype and device of x");
    return g.strides() == x.strides() && aligned(g) ? g : at::empty_like(x).copy_(g);
}

// y = F(x + b), g * F'(x + b) or g * F''(x + b) for order 0, 1 or 2; see BiasAct in launchers.h.
at::Tensor bias_act(const at::Tensor& x_any, const std::optional<at::Tensor>& b_any,
                    const std::optional<at::Tensor>& g_any, int order, const std::string& act, double gain,
                    double clamp, int64_t dim) {
    TORCH_CHECK(order >= 0 && order <= 2, "order must be 0, 1 or 2");
    TORCH_CHECK(g_any.has_value() == (order > 0), "orders 1 and 2 take g, order 0 does not");
    const at::Tensor x = packed(x_any);
    const at::Tensor b = b_any ? b_any->contiguous() : at::Tensor();
    const at::Tensor g = g_any ? laid_out_like(x, *g_any) : at::Tensor();
    at::Tensor y = at::empty_like(x);

    BiasAct job = {};
    job.x = x.data_ptr();
    job.g = g.defined() ? g.data_ptr() : nullptr;
    job.y = y.data_ptr();
    job.numel = x.numel();
    job.step = job.size = 1;
    if (b.defined()) {
        TORCH_CHECK(dim >= 0 && dim < x.dim() && b.dim() == 1 && b.size(0) == x.size(dim),
                    "b must be a vector as long as axis ", dim, " of x");
        TORCH_CHECK(b.scalar_type() == x.scalar_type() && b.device() == x.device(), "b must have x's dtype and device");
        job.b = b.data_ptr();
        job.size = static_cast<int>(b.size(0));
        job.step = std::max<int64_t>(x.stride(dim), 1);  // an axis of length 1 may have stride 0
    }
    job.activation = activation_of(act);
    job.order = order;
    job.gain = gain;
    job.clamp = clamp;
    if (x.numel() > 0) launch_on_current_stream(job, x);
    return y;
}

// `flip` correlates with f instead of convolving.
at::Tensor upfirdn2d(const at::Tensor& x, const at::Tensor& f_any, int up, int down, const Padding& padding,
                     double gain, bool flip) {
    check_image(x);
    const at::Tensor f = dense_filter(f_any, x);
    TORCH_CHECK(up >= 1 && down >= 1, "up and down must be at least 1");
    const auto [left, right, top, bottom] = padding;
    const at::Tensor y = filtered_like(x, output_size(x.size(2), up, down, top, bottom, f.size(0)),
                                       output_size(x.size(3), up, down, left, right, f.size(1)));
    Upfirdn2d job = image_job(x, y);
    set_filter(job, f, padding);
    job.up = up;
    job.down = down;
    job.gain = gain;
    job.flip = flip;
    if (y.numel() > 0) launch_on_current_stream(job, x);
    return y;
}

// Return y and z, each where it is asked for; see StyleEpilogue in launchers.h.
std::pair<std::optional<at::Tensor>, std::optional<at::Tensor>> style_epilogue(
    const at::Tensor& x_any, const at::Tensor& scale, const at::Tensor& b, const std::optional<at::Tensor>& noise,
    const std::optional<at::Tensor>& f_any, const Padding& padding, const std::optional<at::Tensor>& next,
    bool keep, double gain, double slope, double clamp) {
    check_image(x_any);
    TORCH_CHECK(keep || next, "ask for y, for z or for both");
    const at::Tensor x = x_any.contiguous(x_any.suggest_memory_format());
    const at::Tensor f = f_any ? dense_filter(*f_any, x) : at::Tensor();
    const auto [left, right, top, bottom] = padding;
    const int64_t out_h = f.defined() ? output_size(x.size(2), 1, 1, top, bottom, f.size(0)) : x.size(2);
    const int64_t out_w = f.defined() ? output_size(x.size(3), 1, 1, left, right, f.size(1)) : x.size(3);
    const at::Tensor first = filtered_like(x, out_h, out_w);
    const std::optional<at::Tensor> second = keep && next ? std::optional(at::empty_like(first)) : std::nullopt;

    StyleEpilogue job = {image_job(x, first)};
    if (f.defined()) set_filter(job.filter, f, padding);
    if (!keep) job.filter.y = nullptr;
    if (next) job.z = keep ? second->data_ptr() : first.data_ptr();
    job.scale = floats(scale, {x.size(0), x.size(1)}, x);
    job.b = floats(b, {x.size(1)}, x);
    if (next) job.next = floats(*next, {x.size(0), x.size(1)}, x);
    if (noise) {
        const bool shared = noise->dim() == 2;
        job.noise = shared ? floats(*noise, {out_h, out_w}, x) : floats(*noise, {x.size(0), 1, out_h, out_w}, x);
        job.noise_stride = shared ? 0 : out_h * out_w;
    }
    job.gain = gain;
    job.slope = slope;
    job.clamp = clamp;
    if (first.numel() > 0) launch_on_current_stream(job, x);
    if (!keep) return {std::nullopt, first};
    return {first, second};
}

// The step that leads back: the last tap on the first pixel becomes the first.
Resampling transpose(Resampling step) {
    step.left = step.taps_w - 1 - step.left;
    step.top = step.taps_h - 1 - step.top;
    step.flip = !step.flip;
    return step;
}

// y = down(F(up(x + b))) without a signal s, its derivative down(F' * up(s)) with one of the shape of x,
// and the transpose of that, up^T(F' * down^T(s)), with one of the shape of y; see FilteredLrelu in launchers.h.
at::Tensor filtered_lrelu(const at::Tensor& x, const std::optional<at::Tensor>& b_any,
                          const std::optional<at::Tensor>& s, const at::Tensor& fu, const at::Tensor& fd, int up,
                          int down, const Padding& padding, double gain, double slope, double clamp,
                          bool transposed) {
    check_image(x);
    const auto [left, right, top, bottom] = padding;
    FilteredLrelu job = {};
    job.up = resampling_of(fu, up, x);
    job.up.left = left;
    job.up.top = top;
    job.up.gain = static_cast<double>(up) * up;
    const Resampling shrink = resampling_of(fd, down, x);
    const int fine_h = output_size(x.size(2), up, 1, top, bottom, job.up.taps_h);
    const int fine_w = output_size(x.size(3), up, 1, left, right, job.up.taps_w);
    const int out_h = output_size(fine_h, 1, down, 0, 0, shrink.taps_h);
    const int out_w = output_size(fine_w, 1, down, 0, 0, shrink.taps_w);

    const std::array<int64_t, 4> resampled = {x.size(0), x.size(1), out_h, out_w};
    at::Tensor y = transposed ? at::empty_like(x) : at::empty(resampled, x.options(), x.suggest_memory_format());
    if (s) {
        TORCH_CHECK(s->sizes() == (transposed ? at::IntArrayRef(resampled) : x.sizes()) &&
                        s->scalar_type() == x.scalar_type() && s->device() == x.device(),
                    "s must have the shape of the result's counterpart, and the dtype and device of x");
        job.signal = image_of(*s);
    }
    TORCH_CHECK(s || !transposed, "only the derivative has a transpose");
    job.expand = transposed ? transpose(shrink) : job.up;
    job.shrink = transposed ? transpose(job.up) : shrink;
    const at::Tensor b = b_any ? b_any->contiguous() : at::Tensor();
    if (b.defined()) {
        TORCH_CHECK(b.dim() == 1 && b.size(0) == x.size(1), "b must be a vector with one value a channel");
        TORCH_CHECK(b.scalar_type() == x.scalar_type() && b.device() == x.device(), "b must have x's dtype and device");
        job.b = b.data_ptr();
    }
    job.x = image_of(x);
    job.y = image_of(y);
    job.num = static_cast<int>(x.size(0));
    job.channels = static_cast<int>(x.size(1));
    job.gain = gain;
    job.slope = slope;
    job.clamp = clamp;
    if (y.numel() > 0) launch_on_current_stream(job, x);
    return y;
}

}  // namespace
}  // namespace stylegan_ops

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("bias_act", &stylegan_ops::bias_act);
    m.def("upfirdn2d", &stylegan_ops::upfirdn2d);
    m.def("filtered_lrelu", &stylegan_ops::filtered_lrelu);
    m.def("style_epilogue", &stylegan_ops::style_epilogue);
}
