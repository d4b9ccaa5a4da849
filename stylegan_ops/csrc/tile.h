// A small tile of filtered pixels, computed by one thread in its registers.
#pragma once

#include "pack.h"

namespace stylegan_ops {

// The quotient rounded up, for a of any sign and b > 0.
__host__ __device__ inline int ceil_divide(int a, int b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

__host__ __device__ inline bool is_inside(int i, int size) { return i >= 0 && i < size; }

// The tap that the correlation at offset (ky, kx) multiplies with.
template <typename A>
__host__ __device__ inline A tap(const Upfirdn2d& job, int ky, int kx) {
    if (!job.flip) ky = job.filter_h - 1 - ky, kx = job.filter_w - 1 - kx;
    return static_cast<A>(job.f[ky * job.filter_w + kx]) * static_cast<A>(job.gain);
}

// `height` x `width` neighbouring outputs of V channels each, for a square filter of `taps` taps, with up and down fixed:
// every pixel of x is loaded once and serves all the outputs it touches; all loops are unrolled. A tile begins where a
// pixel of x meets the filter's first tap: up to up - 1 pixels before the image.
template <int up, int down, int taps, int tile_height, int tile_width, int V>
struct FilterTile {
    static constexpr int height = tile_height, width = tile_width;
    static_assert(up == 1 || down == 1, "the phase of the taps must not change along a tile");
    static_assert(height * down % up == 0 && width * down % up == 0, "all tiles must begin at the same phase");
    static constexpr int rows = ((height - 1) * down + taps - 1) / up + 1;  // of x under the tile
    static constexpr int columns = ((width - 1) * down + taps - 1) / up + 1;

    template <typename A>
    using Sums = A[height][width][V];

    __host__ __device__ static int before(int padding) { return padding & (up - 1); }
    __host__ __device__ static int down_count(const Upfirdn2d& job) {
        return (job.out_h + before(job.top) + height - 1) / height;
    }
    __host__ __device__ static int across_count(const Upfirdn2d& job) {
        return (job.out_w + before(job.left) + width - 1) / width;
    }

    // Filter the tile whose first output is (oy, ox), for the channels from c on. Pixels of x are `pitch` apart.
    template <typename T>
    __host__ __device__ static void filter(const Upfirdn2d& job, int n, int c, int oy, int ox, int pitch,
                                           Sums<Wide<T>>& sums) {
        const int iy = (oy * down - job.top) / up, ix = (ox * down - job.left) / up;
        const T* x = static_cast<const T*>(job.x) + n * job.x_stride[0] + c * job.x_stride[1];
        if (is_inside(iy, job.in_h - rows + 1) && is_inside(ix, job.in_w - columns + 1)) {
            accumulate<T, false>(job, x, iy, ix, pitch, sums);
        } else {
            accumulate<T, true>(job, x, iy, ix, pitch, sums);
        }
    }

private:
    // Away from the border nothing is checked, so that no branch keeps the loads from being in flight together.
    template <typename T, bool checked>
    __host__ __device__ static void accumulate(const Upfirdn2d& job, const T* x, int iy, int ix, int pitch,
                                               Sums<Wide<T>>& sums) {
        using A = Wide<T>;
        A weights[taps][taps];
#pragma unroll
        for (int k = 0; k < taps; ++k) {
#pragma unroll
            for (int l = 0; l < taps; ++l) weights[k][l] = taps == 1 ? A(1) : tap<A>(job, k, l);
        }
        const T* row = x + iy * job.x_stride[2] + static_cast<int64_t>(ix) * pitch;
#pragma unroll
        for (int r = 0; r < rows; ++r, row += job.x_stride[2]) {
            A values[columns][V];
#pragma unroll
            for (int q = 0; q < columns; ++q) {
                const bool inside = !checked || (is_inside(iy + r, job.in_h) && is_inside(ix + q, job.in_w));
                const Pack<T, V> pack = load<V>(row + q * pitch, inside ? V : 0);
#pragma unroll
                for (int v = 0; v < V; ++v) values[q][v] = widen(pack.at[v]);
            }
            add_row<A>(r, weights, values, sums);
        }
    }

    template <typename A>
    __host__ __device__ static void add_row(int r, const A (&weights)[taps][taps], const A (&values)[columns][V],
                                            Sums<A>& sums) {
#pragma unroll
        for (int s = 0; s < height; ++s) {
            const int k = r * up - s * down;
            if (k < 0 || k >= taps) continue;
#pragma unroll
            for (int t = 0; t < width; ++t) {
#pragma unroll
                for (int q = 0; q < columns; ++q) {
                    const int l = q * up - t * down;
                    if (l < 0 || l >= taps) continue;
#pragma unroll
                    for (int v = 0; v < V; ++v) sums[s][t][v] += weights[k][l] * values[q][v];
                }
            }
        }
    }
};

}  // namespace stylegan_ops
