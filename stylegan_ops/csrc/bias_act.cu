// One thread computes 16 bytes of the output; the activation and the order are compiled in.
#include "bias_act.h"

namespace stylegan_ops {
namespace {

constexpr int threads = 256;

template <typename T, Activation activation, int order>
__global__ void __launch_bounds__(threads) bias_act_kernel(BiasAct job) {
    const int64_t start = (static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x) * Pack<T>::size;
    if (start < job.numel) bias_act_pack<T, activation, order>(job, start);
}

template <typename T, Activation activation>
const char* launch_activation(const BiasAct& job, CUstream_st* stream) {
    constexpr int per_block = threads * Pack<T>::size;
    const int64_t num_blocks = (job.numel + per_block - 1) / per_block;
    void (*kernels[])(BiasAct) = {bias_act_kernel<T, activation, 0>, bias_act_kernel<T, activation, 1>,
                                  bias_act_kernel<T, activation, 2>};
    return launch_kernel(kernels[job.order], num_blocks, dim3(threads), job, stream);
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
