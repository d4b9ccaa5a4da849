// Elements that travel together, and divisions by numbers that are known before the launch.
#pragma once

#include "element.h"

namespace stylegan_ops {

// V neighbouring elements, read or written by one instruction.
template <typename T, int V>
struct alignas(V * sizeof(T)) Pack {
    T at[V];
};

template <typename T>
constexpr int full_pack = 16 / sizeof(T);  // the most that one thread can read at once

// The last pack may be cut short. Its loops are unrolled as well: an index known at run time would put it into memory.
template <int V, typename T>
__host__ __device__ inline Pack<T, V> load(const T* from, int count) {
    if (count >= V) return *reinterpret_cast<const Pack<T, V>*>(from);
    Pack<T, V> pack = {};
#pragma unroll
    for (int i = 0; i < V; ++i) {
        if (i < count) pack.at[i] = from[i];
    }
    return pack;
}

template <int V, typename T>
__host__ __device__ inline void store(const Pack<T, V>& pack, T* to, int count) {
    if (count >= V) {
        *reinterpret_cast<Pack<T, V>*>(to) = pack;
        return;
    }
#pragma unroll
    for (int i = 0; i < V; ++i) {
        if (i < count) to[i] = pack.at[i];
    }
}

// Divides by a number fixed before the launch. Below 2^31 that takes a multiplication and a shift, where a division
// would take some twenty instructions; beyond, it is a division. Source: Granlund and Montgomery 1994, section 4.
class Divisor {
public:
    explicit Divisor(int64_t by) : by_(by) {
        if (by >> 31) return;
        while (int64_t{1} << shift_ < by) ++shift_;
        multiplier_ = static_cast<uint32_t>((((uint64_t{1} << shift_) - by) << 32) / by + 1);
    }

    __host__ __device__ int64_t divide(int64_t n) const {
        if ((n | by_) >> 31) return n / by_;
        const uint32_t small = static_cast<uint32_t>(n);
        return (static_cast<uint32_t>(static_cast<uint64_t>(small) * multiplier_ >> 32) + small) >> shift_;
    }

    __host__ __device__ int64_t remainder(int64_t n) const { return n - divide(n) * by_; }

private:
    int64_t by_;
    uint32_t multiplier_ = 0;
    int shift_ = 0;
};

}  // namespace stylegan_ops
