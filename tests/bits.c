/* Descents by the compiled loops on numbers that are the same everywhere; prints a digest of their bits for each shape.
   Compiled with -DREAL=float or double and -DKERNELS="\"…/kernels.c\"" for any processor; see test_kernels.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include KERNELS

enum { STEPS = 20 };
static const whole SIZES[] = {3, 10, 23}, RUNS[] = {1, 2, 3, 5, 8, 13};

/* Marsaglia's xorshift, between -1 and 1. */
static real drawn(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (real)((double)(int64_t)state / 9223372036854775808.0);
}

static whole padded(whole length) { return (length + 15) / 16 * 16; }

/* Zeros with room for a few vectors more. */
static real *zeros(whole count) {
    size_t bytes = padded(count + 64) * sizeof(double);
    return memset(aligned_alloc(64, bytes), 0, bytes);
}

static uint64_t digest(const real *numbers, whole count) {
    uint64_t hash = 1469598103934665603u;
    const unsigned char *bytes = (const void *)numbers;
    for (size_t i = 0; i < count * sizeof(real); i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static void descents(whole d, whole runs) {
    whole m = 5 * d + 7, length = packed_start(d, d), n = padded(length), x_stride = n + 16, stride = padded(d), size = d * stride;
    real *rows = zeros(m * n), *labels = zeros(runs * m), *factors = zeros(runs * size), *before = zeros(runs * size);
    real *divisors = zeros(runs), *steps = zeros(runs), *momentum = zeros(runs);
    whole counts[13], segments[] = {0, m, runs, 0};
    for (whole i = 0; i < m; i++)
        for (whole j = 0; j < length; j++) rows[i * n + j] = drawn();
    for (whole i = 0; i < runs * m; i++) labels[i] = drawn();
    for (whole k = 0; k < runs; k++) {
        counts[k] = m, divisors[k] = m, steps[k] = 0.05, momentum[k] = 0.5;
        for (whole i = 0; i < d; i++)
            for (whole j = 0; j < d; j++) factors[k * size + i * stride + j] = drawn() / 3;
    }
    memcpy(before, factors, runs * size * sizeof(real));
    descend(rows, labels, counts, segments, divisors, steps, factors, runs % 2 ? 0 : momentum, before, zeros(runs * x_stride),
            zeros(runs * x_stride), zeros(DOT_BLOCK * runs * LANES), zeros(runs * BLOCK_ROWS), zeros((d + 1) * stride),
            zeros((d + 1) * stride), zeros(size), STEPS, 1, BLOCK_ROWS, n, n, m, d, d, stride, stride, x_stride, runs);
    printf("%d %d %016llx\n", (int)d, (int)runs, (unsigned long long)digest(factors, runs * size));
}

int main(void) {
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++)
        for (size_t j = 0; j < sizeof RUNS / sizeof *RUNS; j++) descents(SIZES[i], RUNS[j]);
}
