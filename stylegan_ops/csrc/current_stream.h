// The stream that torch queues its own kernels on.
#pragma once

#include <c10/core/Device.h>

struct CUstream_st;

namespace stylegan_ops {

CUstream_st* current_stream(c10::Device device);

}  // namespace stylegan_ops
