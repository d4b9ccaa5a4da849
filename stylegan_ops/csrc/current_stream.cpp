// Apart from the bindings, since the CUDA headers of torch exist in its CUDA builds only.
#include "current_stream.h"

#include <c10/cuda/CUDAStream.h>

namespace stylegan_ops {

CUstream_st* current_stream(c10::Device device) { return c10::cuda::getCurrentCUDAStream(device.index()).stream(); }

}  // namespace stylegan_ops
