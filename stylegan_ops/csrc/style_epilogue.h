// The arithmetic of style_epilogue, for a tile of pixels.
#pragma once

#include "upfirdn2d.h"

namespace stylegan_ops {

// F(u) for F(u) = clamp(gain * leaky_relu(u)); NaN stays NaN.
template <typename A>
__host__ __device__ inline A activate(const StyleEpilogue& job, A u) {
    const A y = u * static_cast<A>(u > 0 ? job.gain : job.gain * job.slope), clamp = static_cast<A>(job.clamp);
    return y > clamp ? clamp : y < -clamp ? -clamp : y;
}

// V successive values of a vector.
template <typename A, int V>
struct Vector {
    A at[V];

    __host__ __device__ Vector(const float* from, int64_t start) {
        const Pack<float, V> pack = load<V>(from + start, V);
#pragma unroll
        for (int v = 0; v < V; ++v) at[v] = pack.at[v];
    }
};

// `taps` is 4 for an image to filter, 1 for one to take as it is.
template <typename T, int taps, bool channels_last, int V>
struct EpilogueTiles : UpfirdnWork<channels_last, V> {
    using Job = StyleEpilogue;
    using Tile = ImageTile<1, 1, taps, channels_last, V>;
    using A = Wide<T>;

    __host__ __device__ static int samples(const StyleEpilogue& job) { return job.filter.num; }
    __host__ __device__ static int channels(const StyleEpilogue& job) { return job.filter.channels; }
    __host__ __device__ static int tiles_down(const StyleEpilogue& job) { return Tile::down_count(job.filter); }
    __host__ __device__ static int tiles_across(const StyleEpilogue& job) { return Tile::across_count(job.filter); }

    __host__ __device__ static void compute(const StyleEpilogue& job, const Place& at) {
        const Upfirdn2d& image = job.filter;
        const int oy = at.y * Tile::height, ox = at.x * Tile::width;
        const int pitch = channels_last ? static_cast<int>(image.x_stride[3]) : 1;
        typename Tile::template Sums<A> values = {};
        Tile::template filter<T>(image, at.n, at.c, oy, ox, pitch, values);

        const int64_t row = static_cast<int64_t>(at.n) * image.channels + at.c;
        const Vector<A, V> scale(job.scale, row), b(job.b, at.c);
        each_pixel(image, oy, ox, [&](int s, int t) {
            const int64_t pixel = static_cast<int64_t>(oy + s) * image.out_w + ox + t;
            const A noise = job.noise ? static_cast<A>(job.noise[at.n * job.noise_stride + pixel]) : A(0);
#pragma unroll
            for (int v = 0; v < V; ++v) values[s][t][v] = activate(job, values[s][t][v] * scale.at[v] + noise + b.at[v]);
        });
        if (image.y) write_tile<T, channels_last>(image, image.y, at.n, at.c, oy, ox, values);
        if (!job.z) return;
        const Vector<A, V> next(job.next, row);
        each_pixel(image, oy, ox, [&](int s, int t) {
#pragma unroll
            for (int v = 0; v < V; ++v) values[s][t][v] *= next.at[v];
        });
        write_tile<T, channels_last>(image, job.z, at.n, at.c, oy, ox, values);
    }

private:
    template <typename Do>
    __host__ __device__ static void each_pixel(const Upfirdn2d& image, int oy, int ox, Do act) {
#pragma unroll
        for (int s = 0; s < Tile::height; ++s) {
#pragma unroll
            for (int t = 0; t < Tile::width; ++t) {
                if (is_inside(oy + s, image.out_h) && is_inside(ox + t, image.out_w)) act(s, t);
            }
        }
    }
};

}  // namespace stylegan_ops
