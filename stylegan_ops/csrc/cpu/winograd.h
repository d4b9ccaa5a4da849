// Winograd's minimal filtering in one dimension (Lavin & Gray 2016): what goes in, and what comes out, of the products.
#pragma once
#include "lanes.h"

namespace cpu {

// Four outputs of a 3-tap filter from six products; points 0, 1, -1, 2, -2, infinity.
struct Four {
    static constexpr int IN = 6, PRODUCTS = 6, OUT = 4;

    static void input(const Lanes* d, int from, Lanes* v, int to) {
        Lanes d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from], d5 = d[5 * from];
        Lanes a = d4 - 4.f * d2, b = d3 - 4.f * d1, c = d4 - d2, e = 2.f * (d3 - d1);
        v[0] = 4.f * d0 - 5.f * d2 + d4;
        v[to] = a + b;
        v[2 * to] = a - b;
        v[3 * to] = c + e;
        v[4 * to] = c - e;
        v[5 * to] = 4.f * d1 - 5.f * d3 + d5;
    }

    static void output(const Lanes* m, int from, Lanes* y, int to) {
        Lanes m1 = m[from], m2 = m[2 * from], m3 = m[3 * from], m4 = m[4 * from];
        Lanes a = m1 + m2, b = m1 - m2, c = m3 + m4, e = m3 - m4;
        y[0] = m[0] + a + c;
        y[to] = b + 2.f * e;
        y[2 * to] = a + 4.f * c;
        y[3 * to] = b + 8.f * e + m[5 * from];
    }
};

// Two outputs of a 3-tap filter from four products; points 0, 1, -1, infinity: small factors, which bfloat16 needs.
struct Two {
    static constexpr int IN = 4, PRODUCTS = 4, OUT = 2;

    static void input(const Lanes* d, int from, Lanes* v, int to) {
        Lanes d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from];
        v[0] = d0 - d2;
        v[to] = d1 + d2;
        v[2 * to] = d2 - d1;
        v[3 * to] = d3 - d1;
    }

    static void output(const Lanes* m, int from, Lanes* y, int to) {
        Lanes m1 = m[from], m2 = m[2 * from];
        y[0] = m[0] + m1 + m2;
        y[to] = m1 - m2 + m[3 * from];
    }
};

// A transposed 3-tap filter of stride 2: eight outputs from nine products. An even output is a 2-tap filter of two
// neighbours (four from five products; points 0, 1, -1, 2, infinity), an odd one a single product.
struct Transposed {
    static constexpr int IN = 5, PRODUCTS = 9, WIDTH = 6, OUT = 8,
                         STEP = 4;  // WIDTH filters, as the odd outputs share one

    static constexpr int filter(int product) { return product < 5 ? product : 5; }

    static void input(const Lanes* d, int from, Lanes* v, int to) {
        Lanes d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from];
        v[0] = 2.f * (d0 - d2) + d3 - d1;
        v[to] = d3 - d2 - 2.f * d1;
        v[2 * to] = 2.f * d1 - 3.f * d2 + d3;
        v[3 * to] = d3 - d1;
        v[4 * to] = 2.f * (d1 - d3) + d4 - d2;
        v[5 * to] = d1;
        v[6 * to] = d2;
        v[7 * to] = d3;
        v[8 * to] = d4;
    }

    static void output(const Lanes* m, int from, Lanes* y, int to) {
        Lanes m1 = m[from], m2 = m[2 * from], m3 = m[3 * from];
        Lanes a = m1 + m2, b = m1 - m2;
        y[0] = m[0] + a + m3;
        y[2 * to] = b + 2.f * m3;
        y[4 * to] = a + 4.f * m3;
        y[6 * to] = b + 8.f * m3 + m[4 * from];
        for (int i = 0; i < 4; i++) y[(2 * i + 1) * to] = m[(5 + i) * from];
    }
};

}  // namespace cpu
