// The arithmetic of bias_act, for a few packs of elements.
#pragma once

#include <math.h>

#include "pack.h"

namespace stylegan_ops {

template <typename A>
__host__ __device__ inline A sigmoid(A u) {
    return 1 / (1 + exp(-u));
}

// act(u), act'(u) or act''(u). At the kinks and thresholds themselves torch's choices hold.
template <Activation activation, int order, typename A>
__host__ __device__ inline A activate(A u) {
    if constexpr (activation == Activation::linear) {
        return order == 0 ? u : A(order == 1);
    } else if constexpr (activation == Activation::relu) {
        if (order == 2) return 0;
        return u <= 0 ? A(0) : order == 0 ? u : A(1);  // NaN stays NaN
    } else if constexpr (activation == Activation::lrelu) {
        if (order == 2) return 0;
        const A slope = u > 0 ? A(1) : A(0.2);
        return order == 0 ? u * slope : slope;
    } else if constexpr (activation == Activation::tanh) {
        const A t = tanh(u);
        return order == 0 ? t : order == 1 ? 1 - t * t : -2 * t * (1 - t * t);
    } else if constexpr (activation == Activation::sigmoid) {
        const A s = sigmoid(u);
        return order == 0 ? s : order == 1 ? s * (1 - s) : s * (1 - s) * (1 - 2 * s);
    } else if constexpr (activation == Activation::elu) {
        if (order == 2 ? u >= 0 : u > 0) return order == 0 ? u : A(order == 1);
        return order == 0 ? expm1(u) : exp(u);
    } else if constexpr (activation == Activation::selu) {
        const A scale = 1.0507009873554804934193349852946, alpha = 1.6732632423543772848170429916717;
        if (order == 2 ? u >= 0 : u > 0) return order == 0 ? scale * u : order == 1 ? scale : A(0);
        return scale * alpha * (order == 0 ? expm1(u) : exp(u));
    } else if constexpr (activation == Activation::softplus) {
        if (order == 2 ? u >= 20 : u > 20) return order == 0 ? u : A(order == 1);  // torch's threshold
        const A s = sigmoid(u);
        return order == 0 ? log1p(exp(u)) : order == 1 ? s : s * (1 - s);
    } else {
        static_assert(activation == Activation::swish);
        const A s = sigmoid(u);
        return order == 0 ? u * s : order == 1 ? s * (1 + u * (1 - s)) : s * (1 - s) * (2 + u * (1 - 2 * s));
    }
}

// F(u), F'(u) or F''(u) for F(u) = clamp(gain * act(u)).
template <Activation activation, int order, typename A>
__host__ __device__ inline A scaled_and_clamped(A u, A gain, A clamp) {
    const A y = gain * activate<activation, 0>(u);
    if (y > clamp) return order == 0 ? clamp : A(0);  // at the bound itself the derivative passes, as in torch
    if (y < -clamp) return order == 0 ? -clamp : A(0);
    return order == 0 ? y : gain * activate<activation, order>(u);
}

// How a pack finds its bias.
enum class BiasAccess {
    none,   // there is no bias
    single, // a pack lies within one channel
    vector, // a pack's elements have successive channels, and the bias can be read as packs
    mixed,
};

// A job and what of it is the same in every thread.
struct PackedBiasAct {
    BiasAct job;
    BiasAccess access;
    Divisor step, size;
};

// Walk the channels of successive elements with one pair of divisions at the start.
class ChannelWalk {
public:
    __host__ __device__ ChannelWalk(const PackedBiasAct& packed, int64_t element) : size_(packed.job.size) {
        constexpr int64_t beyond = 64;  // more than a pack has elements: where exactly the channel ends is no matter
        const int64_t row = packed.step.divide(element), step = packed.job.step;
        channel_ = static_cast<int>(packed.size.remainder(row));
        const int64_t left = (row + 1) * step - element;
        left_ = static_cast<int>(left < beyond ? left : beyond);
        step_ = static_cast<int>(step < beyond ? step : beyond);
    }

    __host__ __device__ int channel() const { return channel_; }

    __host__ __device__ void advance() {
        if (--left_ > 0) return;
        left_ = step_;
        channel_ = channel_ + 1 == size_ ? 0 : channel_ + 1;
    }

private:
    int size_, channel_, left_, step_;
};

// The bias of every element of the pack that begins at element `start`.
template <typename T, int V>
__host__ __device__ inline Pack<T, V> load_bias(const PackedBiasAct& packed, int64_t start) {
    const T* b = static_cast<const T*>(packed.job.b);
    Pack<T, V> bias = {};
    if (packed.access == BiasAccess::none) return bias;
    ChannelWalk walk(packed, start);
    if (packed.access == BiasAccess::vector) return load<V>(b + walk.channel(), V);
    if (packed.access == BiasAccess::single) {
        const T value = b[walk.channel()];
#pragma unroll
        for (int i = 0; i < V; ++i) bias.at[i] = value;
        return bias;
    }
#pragma unroll
    for (int i = 0; i < V; ++i, walk.advance()) bias.at[i] = b[walk.channel()];
    return bias;
}

// Compute `packs` packs of y, the first from element `start` on, `stride` apart. All their loads are under way before
// the first is needed: so many bytes must be in flight for the memory to be busy.
template <typename T, Activation activation, int order, int packs>
__host__ __device__ inline void bias_act_packs(const PackedBiasAct& packed, int64_t start, int64_t stride) {
    using A = Wide<T>;
    constexpr int V = full_pack<T>;
    const BiasAct& job = packed.job;
    const A gain = static_cast<A>(job.gain), clamp = static_cast<A>(job.clamp);
    Pack<T, V> x[packs], g[packs];
    int counts[packs];
#pragma unroll
    for (int p = 0; p < packs; ++p) {
        const int64_t rest = job.numel - (start + p * stride);
        counts[p] = rest < 0 ? 0 : rest < V ? static_cast<int>(rest) : V;
        x[p] = load<V>(static_cast<const T*>(job.x) + start + p * stride, counts[p]);
        if (order > 0) g[p] = load<V>(static_cast<const T*>(job.g) + start + p * stride, counts[p]);
    }
#pragma unroll
    for (int p = 0; p < packs; ++p) {
        if (counts[p] == 0) return;
        const Pack<T, V> b = load_bias<T, V>(packed, start + p * stride);
        Pack<T, V> y;
#pragma unroll
        for (int i = 0; i < V; ++i) {
            const A f = scaled_and_clamped<activation, order>(widen(x[p].at[i]) + widen(b.at[i]), gain, clamp);
            narrow(order == 0 ? f : widen(g[p].at[i]) * f, y.at[i]);
        }
        store(y, static_cast<T*>(job.y) + start + p * stride, counts[p]);
    }
}

}  // namespace stylegan_ops
