// The arithmetic of upfirdn2d: any setting for one pixel, or StyleGAN's own settings for a tile of pixels.
#pragma once

#include "grid.h"
#include "tile.h"

namespace stylegan_ops {

template <typename T>
__host__ __device__ inline T* output_pixel(const Upfirdn2d& job, void* y, int n, int c, int oy, int ox) {
    return static_cast<T*>(y) + n * job.y_stride[0] + c * job.y_stride[1] + oy * job.y_stride[2] + ox * job.y_stride[3];
}

// What every way of computing knows of the image.
template <bool is_channels_last, int width>
struct UpfirdnWork {
    using Job = Upfirdn2d;
    static constexpr bool channels_last = is_channels_last;
    static constexpr int V = width;  // channels of a thread
    __host__ __device__ static int samples(const Upfirdn2d& job) { return job.num; }
    __host__ __device__ static int channels(const Upfirdn2d& job) { return job.channels; }
};

// Any up, down, padding and filter: one output pixel, visiting only the taps that meet a pixel of x.
template <typename T, bool channels_last>
struct Pixel : UpfirdnWork<channels_last, 1> {
    __host__ __device__ static int tiles_down(const Upfirdn2d& job) { return job.out_h; }
    __host__ __device__ static int tiles_across(const Upfirdn2d& job) { return job.out_w; }

    __host__ __device__ static void compute(const Upfirdn2d& job, const Place& at) {
        const T* x = static_cast<const T*>(job.x) + at.n * job.x_stride[0] + at.c * job.x_stride[1];
        const int y0 = at.y * job.down - job.top, x0 = at.x * job.down - job.left;  // in the upsampled image
        const int first_y = max(ceil_divide(y0, job.up), 0), first_x = max(ceil_divide(x0, job.up), 0);
        Wide<T> sum = 0;
        for (int iy = first_y; iy < job.in_h && iy * job.up - y0 < job.filter_h; ++iy) {
            for (int ix = first_x; ix < job.in_w && ix * job.up - x0 < job.filter_w; ++ix) {
                sum += tap<Wide<T>>(job, iy * job.up - y0, ix * job.up - x0) *
                       widen(x[iy * job.x_stride[2] + ix * job.x_stride[3]]);
            }
        }
        narrow(sum, *output_pixel<T>(job, job.y, at.n, at.c, at.y, at.x));
    }
};

template <typename T>
constexpr int vector = full_pack<T> < 4 ? full_pack<T> : 4;  // channels of a thread: 8 sums each would be too many

inline bool is_channels_last(const Upfirdn2d& job) { return job.y_stride[1] == 1 && job.channels > 1; }

// Whether all pixels of x and y begin on the grid of vectors of so many channels.
inline bool is_vectorised(const Upfirdn2d& job, int channels, int size) {
    int64_t offsets = job.channels;
    for (const int axis : {0, 2, 3}) offsets |= job.x_stride[axis] | job.y_stride[axis];
    const uintptr_t pointers = reinterpret_cast<uintptr_t>(job.x) | reinterpret_cast<uintptr_t>(job.y);
    return job.x_stride[1] == 1 && offsets % channels == 0 && pointers % (channels * size) == 0;
}

// Whether the filter is StyleGAN's, and the tiles can reach the pixels of x.
inline bool is_tiled(const Upfirdn2d& job) {
    const int64_t pitch = job.x_stride[3];
    const bool reaches = is_channels_last(job) ? pitch <= INT32_MAX / 16 : pitch == 1;
    return reaches && job.filter_h == 4 && job.filter_w == 4;
}

// The tiles' sizes: as many outputs as keep their sums, the taps and a row of pixels in registers.
template <int up, int down, int taps, bool channels_last, int V>
using ImageTile = FilterTile<up, down, taps, channels_last ? 4 : 8, 2, V>;

// Neighbouring elements go out by one instruction where they lie on its grid.
template <typename T, int V>
__host__ __device__ inline void store_aligned(const Pack<T, V>& pack, T* to) {
    const bool aligned = reinterpret_cast<uintptr_t>(to) % sizeof(pack) == 0;
    if (aligned) {
        store(pack, to, V);
    } else {
#pragma unroll
        for (int i = 0; i < V; ++i) to[i] = pack.at[i];
    }
}

// Write those outputs of the tile at (oy, ox) that are pixels of the image.
template <typename T, bool channels_last, int height, int width, int V>
__host__ __device__ inline void write_tile(const Upfirdn2d& job, void* y, int n, int c, int oy, int ox,
                                           const Wide<T> (&values)[height][width][V]) {
#pragma unroll
    for (int s = 0; s < height; ++s) {
        if (!is_inside(oy + s, job.out_h)) continue;
        if (!channels_last && is_inside(ox, job.out_w - width + 1)) {
            Pack<T, width> pack;
#pragma unroll
            for (int t = 0; t < width; ++t) narrow(values[s][t][0], pack.at[t]);
            store_aligned(pack, output_pixel<T>(job, y, n, c, oy + s, ox));
            continue;
        }
#pragma unroll
        for (int t = 0; t < width; ++t) {
            if (!is_inside(ox + t, job.out_w)) continue;
            Pack<T, V> pack;
#pragma unroll
            for (int v = 0; v < V; ++v) narrow(values[s][t][v], pack.at[v]);
            store(pack, output_pixel<T>(job, y, n, c, oy + s, ox + t), V);
        }
    }
}

// A 4x4 filter with up and down fixed. Contiguous pixels of x are one element apart; channels in a vector, too.
template <typename T, int up, int down, bool channels_last, int V>
struct Tiles : UpfirdnWork<channels_last, V> {
    using Tile = ImageTile<up, down, 4, channels_last, V>;

    __host__ __device__ static int tiles_down(const Upfirdn2d& job) { return Tile::down_count(job); }
    __host__ __device__ static int tiles_across(const Upfirdn2d& job) { return Tile::across_count(job); }

    __host__ __device__ static void compute(const Upfirdn2d& job, const Place& at) {
        const int oy = at.y * Tile::height - Tile::before(job.top);
        const int ox = at.x * Tile::width - Tile::before(job.left);
        const int pitch = channels_last ? static_cast<int>(job.x_stride[3]) : 1;
        typename Tile::template Sums<Wide<T>> sums = {};
        Tile::template filter<T>(job, at.n, at.c, oy, ox, pitch, sums);
        write_tile<T, channels_last>(job, job.y, at.n, at.c, oy, ox, sums);
    }
};

}  // namespace stylegan_ops
