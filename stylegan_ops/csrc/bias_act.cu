// One thread computes twice 16 bytes of the output; the activation and the order are compiled in. Its limit is the
// memory: x is read once, y written once. What else costs time is the index of the channel (hence no divisions) and the
// conversion of half precision; tanh and its like take about as long as the memory does.
#include "bias_act.h"

namespace stylegan_ops {
namespace {

constexpr int threads = 256, packs = 2;

template <typename T, Activation activation, int order>
__global__ void __launch_bounds__(threads) bias_act_kernel(PackedBiasAct packed) {
    constexpr int64_t stride = threads * full_pack<T>;
    const int64_t start = blockIdx.x * stride * packs + threadIdx.x * full_pack<T>;
    if (start < packed.job.numel) bias_act_packs<T, activation, order, packs>(packed, start, stride);
}

template <typename T>
BiasAccess access_to(const BiasAct& job) {
    if (!job.b) return BiasAccess::none;
    if (job.step % full_pack<T> == 0) return BiasAccess::single;
    const bool aligned = reinterpret_cast<uintptr_t>(job.b) % 16 == 0;
    return job.step == 1 && job.size % full_pack<T> == 0 && aligned ? BiasAccess::vector : BiasAccess::mixed;
}

template <typename T, Activation activation>
const char* launch_activation(const BiasAct& job, CUstream_st* stream) {
    constexpr int per_block = threads * full_pack<T> * packs;
    const int64_t num_blocks = (job.numel + per_block - 1) / per_block;
    const PackedBiasAct packed = {job, access_to<T>(job), Divisor(job.step), Divisor(job.size)};
    void (*kernels[])(PackedBiasAct) = {bias_act_kernel<T, activation, 0>, bias_act_kernel<T, activation, 1>,
                                  bias_act_kernel<T, activation, 2>};
    return launch_kernel(kernels[job.order], num_blocks, dim3(threads), packed, stream);
}

template <typename T>
const char* launch_element_type(const BiasAct& job, CUstream_st* stream) {
    switch (job.activation) {
        case Activation::linear: return launch_activation<T, Activation::linear>(job, stream);
        case Activation::relu: return launch_activation<T, Activation::relu>(job, stream);
        case Activation::lrelu: return launch_activation<T, Activation::lrelu>(job, stream);
        case Activation::tanh: return launch_activation<T, Activation::tanh>(job, stream);
        case Activation::sigmoid: return launch_activation<T, Activation::sigmoid>(job, stream);
        case Activation::elu: return launch_activation<T, Activation::elu>(job, stream);
        case Activation::selu: return launch_activation<T, Activation::selu>(job, stream);
        case Activation::softplus: return launch_activation<T, Activation::softplus>(job, stream);
        case Activation::swish: return launch_activation<T, Activation::swish>(job, stream);
    }
    return "unknown activation";
}

}  // namespace

const char* launch(const BiasAct& job, Dtype dtype, CUstream_st* stream) {
    return with_element_type(dtype, [&](auto zero) { return launch_element_type<decltype(zero)>(job, stream); });
}

}  // namespace stylegan_ops
