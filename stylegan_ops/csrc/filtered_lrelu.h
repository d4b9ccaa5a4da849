// The arithmetic of filtered_lrelu, for the tile of the output that one block computes in its shared memory.
#pragma once

#include "tile.h"  // ceil_divide, is_inside

namespace stylegan_ops {

// A part of an image in shared memory, row by row.
template <typename A>
struct Tile {
    A* at;
    int top, left, rows, columns;

    __device__ A* row(int y) const { return at + y * columns; }
};

// A job, how large a part of the output a block takes, and how its shared memory is shared out.
struct TiledLrelu {
    FilteredLrelu job;
    int rows, columns;                 // of the output
    int taps, coarse_size, half_size;  // elements of the buffers; the fine image has the rest
};

// How many rows or columns of the fine image lie under `count` of y.
__host__ __device__ inline int fine_extent(int count, int factor, int taps) { return (count - 1) * factor + taps; }

// How many rows or columns of a coarse image touch `count` of the fine image, at most.
__host__ __device__ inline int coarse_extent(int count, int factor, int taps) {
    return (count + taps - 2) / factor + 1;
}

__host__ __device__ inline int num_taps(const Resampling& step) {
    return step.separable ? step.taps_w : step.taps_h * step.taps_w;
}

// F(u) or F'(u) for F(u) = clamp(gain * leaky_relu(u)). At the kink and the bounds torch's choices hold.
template <bool derivative, typename A>
__device__ inline A leaky_relu(const FilteredLrelu& job, A u) {
    const A clamp = static_cast<A>(job.clamp), slope = static_cast<A>(u > 0 ? job.gain : job.gain * job.slope);
    const A y = u * slope;
    if (y > clamp) return derivative ? A(0) : clamp;
    if (y < -clamp) return derivative ? A(0) : -clamp;
    return derivative ? slope : y;
}

// Stage the taps in the order in which they meet the pixels.
template <typename A>
__device__ void load_taps(const Resampling& step, A* taps) {
    const int count = num_taps(step);
    for (int k = threadIdx.y * blockDim.x + threadIdx.x; k < count; k += blockDim.x * blockDim.y) {
        taps[k] = static_cast<A>(step.f[step.flip ? k : count - 1 - k]);
    }
}

// Stage the part of a coarse image that touches the fine tile; beyond the image lie zeros, without the bias.
template <typename T>
__device__ Tile<Wide<T>> load_tile(const Image& image, const Resampling& step, const Tile<Wide<T>>& fine, int n, int c,
                                   Wide<T> bias, Wide<T>* buffer) {
    Tile<Wide<T>> tile = {buffer};
    tile.top = ceil_divide(fine.top - step.top, step.factor);
    tile.left = ceil_divide(fine.left - step.left, step.factor);
    tile.rows = coarse_extent(fine.rows, step.factor, step.taps_h);
    tile.columns = coarse_extent(fine.columns, step.factor, step.taps_w);
    const T* plane = static_cast<const T*>(image.data) + n * image.stride[0] + c * image.stride[1];
    for (int r = threadIdx.y; r < tile.rows; r += blockDim.y) {
        const int y = tile.top + r;
        for (int q = threadIdx.x; q < tile.columns; q += blockDim.x) {
            const int x = tile.left + q;
            const bool inside = is_inside(y, image.h) && is_inside(x, image.w);
            tile.row(r)[q] = inside ? widen(plane[y * image.stride[2] + x * image.stride[3]]) + bias : Wide<T>(0);
        }
    }
    __syncthreads();
    return tile;
}

// Of the taps over a fine pixel, those that meet a coarse one: the first, and where; the next are `factor` on.
struct Meeting {
    int tap, pixel;

    __device__ Meeting(int fine, int before, int factor) {
        pixel = ceil_divide(fine - before, factor);
        tap = pixel * factor - (fine - before);
    }
};

// Upsample the coarse tile; `put` takes each pixel of the fine tile and its new value.
template <typename A, typename Put>
__device__ void expand(const Resampling& step, const A* taps, const Tile<A>& coarse, A* half, const Tile<A>& fine,
                       Put put) {
    const A gain = static_cast<A>(step.gain);
    if (step.separable) {
        for (int c = threadIdx.x; c < fine.columns; c += blockDim.x) {
            const Meeting at(fine.left + c, step.left, step.factor);
            for (int r = threadIdx.y; r < coarse.rows; r += blockDim.y) {
                const A* pixel = coarse.row(r) + at.pixel - coarse.left;
                A sum = 0;
                for (int k = at.tap; k < step.taps_w; k += step.factor) sum += taps[k] * *pixel++;
                half[r * fine.columns + c] = sum;
            }
        }
        __syncthreads();
    }
    for (int r = threadIdx.y; r < fine.rows; r += blockDim.y) {
        const Meeting at(fine.top + r, step.top, step.factor);
        for (int c = threadIdx.x; c < fine.columns; c += blockDim.x) {
            A sum = 0;
            if (step.separable) {
                const A* pixel = half + (at.pixel - coarse.top) * fine.columns + c;
                for (int k = at.tap; k < step.taps_h; k += step.factor, pixel += fine.columns) sum += taps[k] * *pixel;
            } else {
                const Meeting across(fine.left + c, step.left, step.factor);
                const A* row = coarse.row(at.pixel - coarse.top) + across.pixel - coarse.left;
                for (int k = at.tap; k < step.taps_h; k += step.factor, row += coarse.columns) {
                    const A* pixel = row;
                    for (int l = across.tap; l < step.taps_w; l += step.factor) {
                        sum += taps[k * step.taps_w + l] * *pixel++;
                    }
                }
            }
            put(fine.row(r)[c], gain * sum);
        }
    }
    __syncthreads();
}

// Downsample the fine tile; `put` takes the row and the column within the tile of y, and the value.
template <typename A, typename Put>
__device__ void shrink(const Resampling& step, const A* taps, const Tile<A>& fine, A* half, int rows, int columns,
                       Put put) {
    const A gain = static_cast<A>(step.gain);
    if (step.separable) {
        for (int r = threadIdx.y; r < rows; r += blockDim.y) {
            for (int c = threadIdx.x; c < fine.columns; c += blockDim.x) {
                const A* pixel = fine.row(r * step.factor) + c;
                A sum = 0;
                for (int k = 0; k < step.taps_h; ++k, pixel += fine.columns) sum += taps[k] * *pixel;
                half[r * fine.columns + c] = sum;
            }
        }
        __syncthreads();
    }
    for (int r = threadIdx.y; r < rows; r += blockDim.y) {
        for (int c = threadIdx.x; c < columns; c += blockDim.x) {
            A sum = 0;
            if (step.separable) {
                const A* pixel = half + r * fine.columns + c * step.factor;
                for (int k = 0; k < step.taps_w; ++k) sum += taps[k] * pixel[k];
            } else {
                const A* row = fine.row(r * step.factor) + c * step.factor;
                for (int k = 0; k < step.taps_h; ++k, row += fine.columns) {
                    for (int l = 0; l < step.taps_w; ++l) sum += taps[k * step.taps_w + l] * row[l];
                }
            }
            put(r, c, gain * sum);
        }
    }
}

// Compute the tile of y whose first pixel is (top, left), all threads of the block together.
template <typename T>
__device__ void filtered_lrelu_tile(const TiledLrelu& tiled, int n, int c, int top, int left) {
    using A = Wide<T>;
    extern __shared__ double shared[];
    const FilteredLrelu& job = tiled.job;
    A* up_taps = reinterpret_cast<A*>(shared);
    A* signal_taps = up_taps + num_taps(job.up);
    A* down_taps = signal_taps + (job.signal.data ? num_taps(job.expand) : 0);
    A* coarse = up_taps + tiled.taps;
    A* half = coarse + tiled.coarse_size;
    const Tile<A> fine = {half + tiled.half_size, top * job.shrink.factor - job.shrink.top,
                          left * job.shrink.factor - job.shrink.left,
                          fine_extent(tiled.rows, job.shrink.factor, job.shrink.taps_h),
                          fine_extent(tiled.columns, job.shrink.factor, job.shrink.taps_w)};

    load_taps(job.up, up_taps);
    load_taps(job.shrink, down_taps);
    const A bias = job.b ? widen(static_cast<const T*>(job.b)[c]) : A(0);
    const Tile<A> x = load_tile<T>(job.x, job.up, fine, n, c, bias, coarse);
    if (job.signal.data) {
        expand(job.up, up_taps, x, half, fine, [&](A& to, A u) { to = leaky_relu<true>(job, u); });
        load_taps(job.expand, signal_taps);
        const Tile<A> signal = load_tile<T>(job.signal, job.expand, fine, n, c, A(0), coarse);
        expand(job.expand, signal_taps, signal, half, fine, [](A& to, A value) { to *= value; });
    } else {
        expand(job.up, up_taps, x, half, fine, [&](A& to, A u) { to = leaky_relu<false>(job, u); });
    }
    T* plane = static_cast<T*>(job.y.data) + n * job.y.stride[0] + c * job.y.stride[1];
    shrink(job.shrink, down_taps, fine, half, tiled.rows, tiled.columns, [&](int r, int q, A value) {
        const int y = top + r, x = left + q;
        if (y < job.y.h && x < job.y.w) narrow(value, plane[y * job.y.stride[2] + x * job.y.stride[3]]);
    });
}

}  // namespace stylegan_ops
