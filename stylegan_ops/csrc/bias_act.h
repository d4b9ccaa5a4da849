// The arithmetic of bias_act, for one vector of elements.
#pragma once

#include <math.h>

#include "element.h"

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

template <typename T>
struct alignas(16) Pack {
    static constexpr int size = 16 / sizeof(T);
    T at[size];
};

// The last pack may be cut short. Its loops are unrolled as well: an index known at run time would put it into memory.
template <typename T>
__host__ __device__ inline Pack<T> load(const void* from, int64_t start, int count) {
    const T* source = static_cast<const T*>(from) + start;
    if (count == Pack<T>::size) return *reinterpret_cast<const Pack<T>*>(source);
    Pack<T> pack = {};
#pragma unroll
    for (int i = 0; i < Pack<T>::size; ++i) {
        if (i < count) pack.at[i] = source[i];
    }
    return pack;
}

template <typename T>
__host__ __device__ inline void store(const Pack<T>& pack, void* to, int64_t start, int count) {
    T* target = static_cast<T*>(to) + start;
    if (count == Pack<T>::size) {
        *reinterpret_cast<Pack<T>*>(target) = pack;
        return;
    }
#pragma unroll
    for (int i = 0; i < Pack<T>::size; ++i) {
        if (i < count) target[i] = pack.at[i];
    }
}

// A 64-bit division costs a GPU several times a 32-bit one, and few tensors need it.
__host__ __device__ inline int64_t divide(int64_t a, int64_t b) {
    return (a | b) >> 32 ? a / b : static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
}

// Walk the channels of successive elements with one pair of divisions at the start.
class ChannelWalk {
public:
    __host__ __device__ ChannelWalk(int64_t element, int64_t step, int size) : size_(size) {
        constexpr int64_t beyond = 64;  // more than a vector has elements: where exactly the channel ends is no matter
        const int64_t row = divide(element, step);
        channel_ = static_cast<int>(row - divide(row, size) * size);
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

// Compute the 16 bytes of y that begin at element `start`.
template <typename T, Activation activation, int order>
__host__ __device__ inline void bias_act_pack(const BiasAct& job, int64_t start) {
    using A = Wide<T>;
    const int64_t rest = job.numel - start;
    const int count = rest < Pack<T>::size ? static_cast<int>(rest) : Pack<T>::size;
    const T* b = static_cast<const T*>(job.b);
    const A gain = static_cast<A>(job.gain), clamp = static_cast<A>(job.clamp);

    const Pack<T> x = load<T>(job.x, start, count);
    const Pack<T> g = order == 0 ? Pack<T>{} : load<T>(job.g, start, count);
    Pack<T> y;
    ChannelWalk walk(start, job.step, job.size);
#pragma unroll
    for (int i = 0; i < Pack<T>::size; ++i, walk.advance()) {
        const A u = b ? widen(x.at[i]) + widen(b[walk.channel()]) : widen(x.at[i]);
        const A f = scaled_and_clamped<activation, order>(u, gain, clamp);
        narrow(order == 0 ? f : widen(g.at[i]) * f, y.at[i]);
    }
    store(y, job.y, start, count);
}

}  // namespace stylegan_ops
