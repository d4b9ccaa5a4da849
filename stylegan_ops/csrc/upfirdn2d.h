// The arithmetic of upfirdn2d: any setting for one pixel, or StyleGAN's own settings for a strip of pixels.
#pragma once

#include "element.h"

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

template <typename T>
__host__ __device__ inline const T* input_plane(const Upfirdn2d& job, int n, int c) {
    return static_cast<const T*>(job.x) + n * job.x_stride[0] + c * job.x_stride[1];
}

template <typename T>
__host__ __device__ inline T* output_pixel(const Upfirdn2d& job, int n, int c, int oy, int ox) {
    return static_cast<T*>(job.y) + n * job.y_stride[0] + c * job.y_stride[1] + oy * job.y_stride[2] +
           ox * job.y_stride[3];
}

// Any up, down, padding and filter: one output pixel, visiting only the taps that meet a pixel of x.
struct Pixel {
    static constexpr int height = 1;

    __host__ __device__ static int count(const Upfirdn2d& job) { return job.out_h; }

    template <typename T>
    __host__ __device__ static void compute(const Upfirdn2d& job, int n, int c, int oy, int ox) {
        const T* x = input_plane<T>(job, n, c);
        const int y0 = oy * job.down - job.top, x0 = ox * job.down - job.left;  // in the upsampled image
        const int first_y = max(ceil_divide(y0, job.up), 0), first_x = max(ceil_divide(x0, job.up), 0);
        Wide<T> sum = 0;
        for (int iy = first_y; iy < job.in_h && iy * job.up - y0 < job.filter_h; ++iy) {
            for (int ix = first_x; ix < job.in_w && ix * job.up - x0 < job.filter_w; ++ix) {
                sum += tap<Wide<T>>(job, iy * job.up - y0, ix * job.up - x0) *
                       widen(x[iy * job.x_stride[2] + ix * job.x_stride[3]]);
            }
        }
        narrow(sum, *output_pixel<T>(job, n, c, oy, ox));
    }
};

// A 4x4 filter with up and down fixed: 8 output pixels below one another, so that every loaded row of x
// serves all the outputs it touches, from registers and with every loop unrolled.
template <int up, int down>
struct Strip {
    static_assert(up == 1 || down == 1, "the rows' phase must not change along a strip");
    static constexpr int height = 8, taps = 4;
    static constexpr int columns = taps / up;                               // of x under one output
    static constexpr int rows = ((height - 1) * down + taps - 1) / up + 1;  // of x under the strip

    // A strip begins where a row of x meets the filter's first tap: up to up - 1 rows above the image.
    __host__ __device__ static int rows_above(const Upfirdn2d& job) { return job.top & (up - 1); }

    __host__ __device__ static int count(const Upfirdn2d& job) {
        return (job.out_h + rows_above(job) + height - 1) / height;
    }

    template <typename T>
    __host__ __device__ static void compute(const Upfirdn2d& job, int n, int c, int strip, int ox) {
        using A = Wide<T>;
        const int oy = strip * height - rows_above(job), iy = (oy * down - job.top) / up;
        const int x0 = ox * down - job.left, ix = ceil_divide(x0, up), kx = ix * up - x0;

        A filter[taps][columns];
#pragma unroll
        for (int k = 0; k < taps; ++k) {
#pragma unroll
            for (int j = 0; j < columns; ++j) filter[k][j] = tap<A>(job, k, kx + j * up);
        }

        A sums[height] = {};
        if (is_inside(iy, job.in_h - rows + 1) && is_inside(ix, job.in_w - columns + 1)) {
            accumulate<T, false>(job, input_plane<T>(job, n, c), iy, ix, filter, sums);
        } else {
            accumulate<T, true>(job, input_plane<T>(job, n, c), iy, ix, filter, sums);
        }

#pragma unroll
        for (int s = 0; s < height; ++s) {
            if (is_inside(oy + s, job.out_h)) narrow(sums[s], *output_pixel<T>(job, n, c, oy + s, ox));
        }
    }

private:
    // Away from the border nothing is checked, so that no branch keeps the loads from being in flight together.
    template <typename T, bool checked>
    __host__ __device__ static void accumulate(const Upfirdn2d& job, const T* x, int iy, int ix,
                                               const Wide<T> (&filter)[taps][columns], Wide<T> (&sums)[height]) {
#pragma unroll
        for (int r = 0; r < rows; ++r) {
            Wide<T> values[columns];
#pragma unroll
            for (int j = 0; j < columns; ++j) {
                const bool inside = !checked || (is_inside(iy + r, job.in_h) && is_inside(ix + j, job.in_w));
                values[j] = inside ? widen(x[(iy + r) * job.x_stride[2] + (ix + j) * job.x_stride[3]]) : Wide<T>(0);
            }
#pragma unroll
            for (int s = 0; s < height; ++s) {
                const int k = r * up - s * down;
                if (k < 0 || k >= taps) continue;
#pragma unroll
                for (int j = 0; j < columns; ++j) sums[s] += filter[k][j] * values[j];
            }
        }
    }
};

}  // namespace stylegan_ops
