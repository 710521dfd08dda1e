/* The CPU's inner loops, for the type REAL (float or double). kernels/passes.py says what they promise and calls them.

   A vector has 64 bytes whatever the machine: one register, or two or four. Compilers unroll the loops of a tile, whose bounds are
   constants once it is inlined, and keep its sums in registers. A product and a sum in one expression are rounded once where the
   machine can; nothing else may be reordered (no -ffast-math). Strides count numbers, not bytes. */
#include <stdint.h>

#pragma STDC FP_CONTRACT ON

typedef int64_t whole;
typedef REAL real;
enum { LANES = 64 / sizeof(real) };
typedef real vector __attribute__((vector_size(64)));
/* A vector that need not begin at a multiple of its size. */
typedef real loose __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));

/* What the numbers of an ensemble's rows are stored as: REAL, or with BFLOAT16 the upper half of a float, or with SIGNS bits, of
   which 1 is -1. They are widened where they are read, and no sum is another for it. */
#if defined(BFLOAT16)
typedef uint16_t entry;
#elif defined(SIGNS)
typedef uint8_t entry;
#else
typedef real entry;
#endif

/* How many rows, runs and vectors the innermost loops hold in registers; the numbers do not show in any result. */
#ifdef __AVX512F__
enum { DOT_ROWS = 8, DOT_RUNS = 3, ADD_VECTORS = 4, ADD_RUNS = 4, PRODUCT_ROWS = 6, PRODUCT_VECTORS = 4 };
#else
enum { DOT_ROWS = 2, DOT_RUNS = 2, ADD_VECTORS = 2, ADD_RUNS = 2, PRODUCT_ROWS = 2, PRODUCT_VECTORS = 2 };
#endif

enum {
    BLOCK_ROWS = 16,
    /* Rows that are multiplied with all runs before the next ones are; there is room for their sums. */
    DOT_BLOCK = 32,
    /* Measurements that are added to each other before they are added to a total: a long sum keeps more of its digits that way. */
    UNIT = 8,
};
/* Columns of a block that are multiplied with every run before the next ones are: 2 to 4 KB of each row. */
#ifndef CHUNK
#define CHUNK 512
#endif
/* Measurements that are added up together, in a chunk of columns that stays in the second-level cache for all runs. */
#ifndef ADD_ROWS
#define ADD_ROWS 16
#endif
#ifndef ADD_CHUNK
#define ADD_CHUNK 2048
#endif

#define TILE static inline __attribute__((always_inline))
#define PART static __attribute__((noinline))
#define UNROLLED _Pragma("clang loop unroll(full)")

TILE whole least(whole a, whole b) { return a < b ? a : b; }
TILE vector load(const real *from) { return *(const loose *)from; }
TILE void store(vector value, real *to) { *(loose *)to = value; }
TILE void fetch(const void *address) { __builtin_prefetch(address, 0, 2); }

/* The address of a row's number, and the vector that begins there: at a multiple of LANES in its row, where numbers are bits. */
#if defined(BFLOAT16)
TILE const entry *at(const entry *rows, whole number) { return rows + number; }
TILE vector widen(const entry *from) {
    typedef uint16_t halves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
    typedef uint32_t words __attribute__((vector_size(4 * LANES)));
    typedef float floats __attribute__((vector_size(4 * LANES)));
    return __builtin_convertvector((floats)(__builtin_convertvector(*(const halves *)from, words) << 16), vector);
}
#elif defined(SIGNS)
TILE const entry *at(const entry *rows, whole number) { return rows + (number >> 3); }
TILE vector widen(const entry *from) {
    typedef __typeof__(_Generic((real)0, float: (uint32_t)0, double: (uint64_t)0)) word;
    typedef word words __attribute__((vector_size(64)));
    enum { SIGN = 8 * sizeof(real) - 1 };
    uint16_t bits = LANES == 8 ? *from : *from | from[1] << 8;
    words lanes, one = (words)((vector){0} + 1);
    UNROLLED for (int i = 0; i < LANES; i++) lanes[i] = SIGN - i;
    /* The sign is moved to where a number has its own. */
    return (vector)((((words){0} + bits) << lanes & (word)1 << SIGN) | one);
}
#else
TILE const entry *at(const entry *rows, whole number) { return rows + number; }
TILE vector widen(const entry *from) { return load(from); }
#endif

/* The sum of a vector's lanes: halves are added to halves. */
TILE real total_of(vector v) {
    UNROLLED for (int half = LANES / 2; half; half /= 2)
        UNROLLED for (int i = 0; i < half; i++) v[i] += v[i + half];
    return v[0];
}

/* ---- dot products ---- */

/* Add to sums[i][k], a vector, the products of row i's numbers with those of run k; ask for a later row. */
TILE void dot_tile(const int height, const int width, const entry *rows, const real *x, vector *sums, const entry *later,
                   whole row_stride, whole x_stride, whole n, whole runs) {
    vector s[DOT_ROWS][DOT_RUNS];
    UNROLLED for (int i = 0; i < height; i++)
        UNROLLED for (int k = 0; k < width; k++) s[i][k] = load((real *)(sums + i * runs + k));
    for (whole j = 0; j < n; j += LANES) {
        vector a[DOT_ROWS], b[DOT_RUNS];
        fetch(at(later, j));
        UNROLLED for (int i = 0; i < height; i++) a[i] = widen(at(at(rows, i * row_stride), j));
        UNROLLED for (int k = 0; k < width; k++) b[k] = load(x + k * x_stride + j);
        UNROLLED for (int i = 0; i < height; i++)
            UNROLLED for (int k = 0; k < width; k++) s[i][k] = a[i] * b[k] + s[i][k];
    }
    UNROLLED for (int i = 0; i < height; i++)
        UNROLLED for (int k = 0; k < width; k++) store(s[i][k], (real *)(sums + i * runs + k));
}

/* How many tiles that takes; each asks for one of as many later rows, as far as there are some. */
TILE whole dot_tiles(whole runs) { return (runs + DOT_RUNS - 1) / DOT_RUNS; }

/* The same for all runs. One that would be left alone takes two tiles of two together with the last ones. */
TILE void dot_rows(const int height, const entry *rows, const real *x, vector *sums, const entry *later, whole row_stride,
                   whole x_stride, whole n, whole runs) {
    whole k = 0, tile = 0, wide = runs - runs % DOT_RUNS;
    if (DOT_RUNS == 3 && runs % DOT_RUNS == 1 && runs > 1) wide -= DOT_RUNS;
#define DOT(WIDTH)                                                                                              \
    do {                                                                                                        \
        const entry *asked = at(later, least(tile++, height - 1) * row_stride);                                    \
        dot_tile(height, WIDTH, rows, x + k * x_stride, sums + k, asked, row_stride, x_stride, n, runs);        \
        k += WIDTH;                                                                                             \
    } while (0)
    while (k < wide) DOT(DOT_RUNS);
    while (DOT_RUNS > 2 && k + 2 <= runs) DOT(2);
    while (k < runs) DOT(1);
#undef DOT
}

/* Write the products of `height` rows with every run to out[k][i]; ask for `later` rows. */
PART void dots(const entry *rows, const real *x, real *out, real *room, const entry *later, whole row_stride, whole height,
               whole n, whole x_stride, whole runs, whole out_stride) {
    vector *sums = (vector *)room;
    for (whole cell = 0; cell < height * runs; cell++) store((vector){0}, (real *)(sums + cell));
    for (whole j = 0; j < n; j += CHUNK) {
        whole i = 0, width = least(CHUNK, n - j);
        for (; i < height; i += i + DOT_ROWS <= height ? DOT_ROWS : 1) {
            const entry *from = at(rows, i * row_stride + j), *ahead = at(later, i * row_stride + j);
            if (i + DOT_ROWS <= height)
                dot_rows(DOT_ROWS, from, x + j, sums + i * runs, ahead, row_stride, x_stride, width, runs);
            else dot_rows(1, from, x + j, sums + i * runs, ahead, row_stride, x_stride, width, runs);
        }
    }
    for (whole i = 0; i < height; i++)
        for (whole k = 0; k < runs; k++) out[k * out_stride + i] = total_of(load((real *)(sums + i * runs + k)));
}

/* Write <row i, x_k> to out[k][i] for all rows. */
void measure(const entry *rows, const real *x, real *out, real *sums, whole count, whole row_stride, whole n, whole x_stride,
             whole runs, whole out_stride) {
    for (whole i = 0; i < count; i += BLOCK_ROWS)
        dots(at(rows, i * row_stride), x, out + i, sums, at(rows, (i + BLOCK_ROWS) * row_stride), row_stride,
             least(BLOCK_ROWS, count - i), n, x_stride, runs, out_stride);
}

/* ---- weighted sums ---- */

/* Add to total[k], for some columns, the rows times their weights for run k; ask for the same columns of later rows, but for the
   first `asked` of each unit. */
TILE void add_tile(const int width, const int vectors, const whole asked, const entry *rows, const real *weights, real *total,
                   const entry *later, whole row_stride, whole height, whole weights_stride, whole total_stride) {
    for (whole first = 0; first < height; first += UNIT) {
        vector s[ADD_RUNS][ADD_VECTORS];
        UNROLLED for (int k = 0; k < width; k++)
            UNROLLED for (int q = 0; q < vectors; q++) s[k][q] = (vector){0};
        for (whole i = first, end = least(first + UNIT, height); i < end; i++) {
            vector a[ADD_VECTORS];
            UNROLLED for (int q = 0; q < vectors; q++) a[q] = widen(at(at(rows, i * row_stride), q * LANES));
            if (i - first >= asked) UNROLLED for (int q = 0; q < vectors; q++) fetch(at(at(later, i * row_stride), q * LANES));
            UNROLLED for (int k = 0; k < width; k++) {
                real weight = weights[k * weights_stride + i];
                UNROLLED for (int q = 0; q < vectors; q++) s[k][q] = a[q] * weight + s[k][q];
            }
        }
        UNROLLED for (int k = 0; k < width; k++)
            UNROLLED for (int q = 0; q < vectors; q++) {
                real *goal = total + k * total_stride + q * LANES;
                store(load(goal) + s[k][q], goal);
            }
    }
}

/* One width of tiles for all runs. Only the first runs' ask for later rows, and not those of the few columns that are left. */
TILE void add_runs(const int vectors, whole asked, const entry *rows, const real *weights, real *total, const entry *later,
                   whole row_stride, whole height, whole weights_stride, whole runs, whole total_stride) {
#define ADD(WIDTH)                                                                                                            \
    do {                                                                                                                      \
        const real *w = weights + k * weights_stride;                                                                         \
        real *t = total + k * total_stride;                                                                                   \
        if (vectors > 1 && k == 0) add_tile(WIDTH, vectors, asked, rows, w, t, later, row_stride, height, weights_stride, total_stride); \
        else add_tile(WIDTH, vectors, UNIT, rows, w, t, later, row_stride, height, weights_stride, total_stride);             \
        k += WIDTH;                                                                                                           \
    } while (0)
    whole k = 0, wide = runs - runs % ADD_RUNS;
    /* A run that would be left alone takes two tiles of fewer together with the last ones. */
    if (ADD_RUNS == 4 && runs % ADD_RUNS == 1 && runs > 1) wide -= ADD_RUNS;
    while (k < wide) ADD(ADD_RUNS);
    while (ADD_RUNS > 3 && k + 3 <= runs) ADD(3);
    while (k + 2 <= runs) ADD(2);
    while (k < runs) ADD(1);
#undef ADD
}

/* Add the weighted rows of a block to every run's total, in `n` columns; ask for `later` rows, but for the first `asked` of 8. */
PART void add(whole asked, const entry *rows, const real *weights, real *total, const entry *later, whole row_stride,
              whole height, whole weights_stride, whole runs, whole n, whole total_stride) {
    whole j = 0;
    for (; j + ADD_VECTORS * LANES <= n; j += ADD_VECTORS * LANES)
        add_runs(ADD_VECTORS, asked, at(rows, j), weights, total + j, at(later, j), row_stride, height, weights_stride, runs, total_stride);
    for (; j < n; j += LANES)
        add_runs(1, asked, at(rows, j), weights, total + j, at(later, j), row_stride, height, weights_stride, runs, total_stride);
}

/* Add sum_i w_ki row i to total[k]. */
void adjoint(const entry *rows, const real *weights, real *total, whole count, whole row_stride, whole n, whole weights_stride,
             whole runs, whole total_stride) {
    for (whole i = 0; i < count; i += BLOCK_ROWS)
        add(0, at(rows, i * row_stride), weights + i, total, at(rows, (i + BLOCK_ROWS) * row_stride), row_stride,
            least(BLOCK_ROWS, count - i), weights_stride, runs, n, total_stride);
}

/* Add sum_i (<row i, x_k> - y_ki) row i to total[k] over the segments (start, stop, runs that know some of it), and write what is
   in brackets to `kept`, as labels lie, where that is given. */
void residuals(const entry *rows, const real *x, const real *labels, const whole *counts, real *total, const whole *segments,
               real *sums, real *weights, real *kept, whole segment_count, whole block_rows, whole row_stride, whole n, whole x_stride,
               whole labels_stride, whole total_stride) {
    for (const whole *segment = segments; segment < segments + 3 * segment_count; segment += 3) {
        whole stop = segment[1], runs = segment[2];
        for (whole i = segment[0]; i < stop; i += block_rows) {
            whole height = least(block_rows, stop - i);
            /* Past the segment's end those rows are asked for with which the next one begins. */
            whole following = i + block_rows < stop ? i + block_rows : segment[3];
            const entry *block = at(rows, i * row_stride), *later = at(rows, following * row_stride);
            /* A tall block does not stay in the second-level cache: its own rows are asked for a second time. */
            whole tall = height > DOT_BLOCK;
            for (whole row = 0; row < height; row += DOT_BLOCK)
                dots(at(block, row * row_stride), x, weights + row, sums, tall ? at(block, (row + DOT_BLOCK) * row_stride) : later,
                     row_stride, least(DOT_BLOCK, height - row), n, x_stride, runs, block_rows);
            for (whole k = 0; k < runs; k++)
                for (whole row = 0; row < height; row++) {
                    real *weight = weights + k * block_rows + row;
                    /* What a run does not know has no weight; so it has the sums of the ensemble that ends there. */
                    *weight = i + row < counts[k] ? *weight - labels[k * labels_stride + i + row] : 0;
                    if (kept) kept[k * labels_stride + i + row] = *weight;
                }
            for (whole j = 0; j < n; j += ADD_CHUNK)
                for (whole row = 0; row < height; row += ADD_ROWS) {
                    whole offset = row * row_stride + j;
                    const entry *ahead = tall ? at(block, offset + ADD_ROWS * row_stride) : at(later, offset);
                    add(tall ? 0 : dot_tiles(runs), at(block, offset), weights + row, total + j, ahead, row_stride,
                        least(ADD_ROWS, height - row), block_rows, runs, least(ADD_CHUNK, n - j), total_stride);
                }
        }
    }
}

/* ---- symmetric matrices ---- */

/* Where row i of the packed upper triangle begins. */
TILE whole packed_start(whole i, whole d) { return i * (2 * d - i + 1) / 2; }

/* Write svec of square arrays, by whole vectors: the next row corrects what one writes too many. */
void pack(const real *squares, real *x, whole d, whole square_stride, whole square_size, whole n, whole x_stride, whole runs) {
    const real root = 1.4142135623730951;
    for (whole k = 0; k < runs; k++, squares += square_size, x += x_stride) {
        for (whole i = 0; i < d; i++) {
            const real *row = squares + i * square_stride + i;
            real *goal = x + packed_start(i, d);
            for (whole j = 0; j < d - i; j += LANES) store(load(row + j) * root, goal + j);
            *goal = *row;
        }
        for (whole j = packed_start(d, d); j < n; j++) x[j] = 0;
    }
}

/* Write smat of packed arrays, each divided by its divisor: upper triangles by whole vectors, then their mirror images. */
void unpack(const real *x, const real *divisors, real *squares, whole d, whole x_stride, whole square_stride, whole square_size,
            whole runs) {
    const real scale = 1 / 1.4142135623730951;
    for (whole k = 0; k < runs; k++, squares += square_size, x += x_stride) {
        for (whole i = 0; i < d; i++) {
            const real *source = x + packed_start(i, d);
            real *row = squares + i * square_stride + i;
            for (whole j = 0; j < d - i; j += LANES) store(load(source + j) / divisors[k] * scale, row + j);
            *row = *source / divisors[k];
        }
        for (whole i = 0; i < d; i++)
            for (whole j = i + 1; j < d; j++) squares[j * square_stride + i] = squares[i * square_stride + j];
    }
}

/* ---- products of d x d matrices ---- */

/* Write products of some rows of a matrix with some columns of another, each added up in order; ask for later numbers. */
TILE void product_tile(const int height, const int vectors, const real *left, const real *right, real *goal, const real *later,
                       whole inner, whole left_stride, whole right_stride, whole goal_stride) {
    vector s[PRODUCT_ROWS][PRODUCT_VECTORS];
    UNROLLED for (int i = 0; i < height; i++)
        UNROLLED for (int q = 0; q < vectors; q++) s[i][q] = (vector){0};
    for (whole k = 0; k < inner; k++) {
        fetch(later + k * LANES);
        vector b[PRODUCT_VECTORS];
        UNROLLED for (int q = 0; q < vectors; q++) b[q] = load(right + k * right_stride + q * LANES);
        UNROLLED for (int i = 0; i < height; i++) {
            real entry = left[i * left_stride + k];
            UNROLLED for (int q = 0; q < vectors; q++) s[i][q] = b[q] * entry + s[i][q];
        }
    }
    UNROLLED for (int i = 0; i < height; i++)
        UNROLLED for (int q = 0; q < vectors; q++) store(s[i][q], goal + i * goal_stride + q * LANES);
}

/* Some columns of a product. */
TILE void product_panel(const int vectors, const real *left, const real *right, real *goal, const real *later, whole rows,
                        whole inner, whole left_stride, whole right_stride, whole goal_stride) {
    whole i = 0;
#define PRODUCT(HEIGHT)                                                                                              \
    for (; i + HEIGHT <= rows; i += HEIGHT)                                                                          \
    product_tile(HEIGHT, vectors, left + i * left_stride, right, goal + i * goal_stride, later + i * left_stride, inner, \
                 left_stride, right_stride, goal_stride)
    PRODUCT(PRODUCT_ROWS);
    PRODUCT(2);
    PRODUCT(1);
#undef PRODUCT
}

/* Write the product of two matrices by whole vectors, or (`upper`) those of its tiles that reach its upper triangle.

   Columns of the right one stay in the first-level cache for all rows of the left one. Meanwhile as many `later` numbers are
   asked for as the left one has. */
PART void product(const real *left, const real *right, real *goal, const real *later, whole rows, whole inner, whole columns,
                  whole left_stride, whole right_stride, whole goal_stride, whole upper) {
    whole j = 0, padded = (columns + LANES - 1) / LANES * LANES;
#define PANEL(VECTORS)                                                                                       \
    for (; j + VECTORS * LANES <= padded; j += VECTORS * LANES)                                              \
    product_panel(VECTORS, left, right + j, goal + j, j == 0 ? later : left,                                 \
                  upper ? least(rows, j + VECTORS * LANES) : rows, inner, left_stride, right_stride, goal_stride)
    PANEL(PRODUCT_VECTORS);
    if (PRODUCT_VECTORS > 3) PANEL(3);
    PANEL(1);
#undef PANEL
}

/* Write the inner product of two times `length` numbers, whole vectors: four sums of vectors, then of their lanes. */
TILE real inner_product(const real *a, const real *b, whole length) {
    vector s[4] = {{0}};
    whole j = 0;
    for (; j + 4 * LANES <= length; j += 4 * LANES)
        UNROLLED for (int q = 0; q < 4; q++) s[q] = load(a + j + q * LANES) * load(b + j + q * LANES) + s[q];
    for (; j < length; j += LANES) s[0] = load(a + j) * load(b + j) + s[0];
    return total_of((s[0] + s[1]) + (s[2] + s[3]));
}

/* Subtract `factor` times whole vectors of numbers. */
TILE void subtract(real *goal, real factor, const real *numbers, whole length) {
    for (whole j = 0; j < length; j += LANES) store(load(numbers + j) * -factor + load(goal + j), goal + j);
}

/* ---- steps of descent ---- */

/* Write svec(UU') of every run; UU' is a sum over columns, of its upper triangle's tiles only. */
void outer(const real *factors, real *x, real *transposed, real *square, whole d, whole columns, whole factor_stride,
           whole square_stride, whole n, whole x_stride, whole runs) {
    for (whole k = 0; k < runs; k++) {
        const real *factor = factors + k * d * factor_stride;
        for (whole column = 0; column < columns; column++)
            for (whole i = 0; i < d; i++) transposed[column * square_stride + i] = factor[i * factor_stride + column];
        product(factor, transposed, square, factor, d, columns, d, factor_stride, square_stride, square_stride, 1);
        pack(square, x + k * x_stride, d, square_stride, 0, n, x_stride, 1);
    }
}

/* Subtract the step size times MU from U for every run, where svec(M) is its total over its divisor. */
void step(const real *total, const real *divisors, const real *steps, real *factors, real *square, real *change, whole d,
          whole columns, whole factor_stride, whole square_stride, whole total_stride, whole runs) {
    for (whole k = 0; k < runs; k++) {
        real *factor = factors + k * d * factor_stride;
        unpack(total + k * total_stride, divisors + k, square, d, total_stride, square_stride, 0, 1);
        product(square, factor, change, square, d, d, columns, square_stride, factor_stride, factor_stride, 0);
        subtract(factor, steps[k], change, d * factor_stride);
    }
}

/* Take a step of every run on one measurement after the other: U <- U - step (<A, UU'> - y) AU, in the order given.

   The matrix that comes next is asked for meanwhile: `order` names one more than are used. */
void single_samples(const real *matrices, const whole *order, const real *labels, const real *steps, real *factors, real *change,
                    whole count, whole d, whole columns, whole factor_stride, whole labels_stride, whole runs) {
    for (whole number = 0; number < count; number++) {
        const real *matrix = matrices + order[number] * d * d, *later = matrices + order[number + 1] * d * d;
        for (whole k = 0; k < runs; k++) {
            real *factor = factors + k * d * factor_stride;
            product(matrix, factor, change, later, d, d, columns, d, factor_stride, factor_stride, 0);
            real residual = inner_product(change, factor, d * factor_stride) - labels[k * labels_stride + order[number]];
            subtract(factor, steps[k] * residual, change, d * factor_stride);
        }
    }
}

/* Nesterov's momentum, where there is any: `before` moves to where the step has led, `factors` further by a share of the way. */
static void look_ahead(const real *momentum, real *factors, real *before, whole size, whole runs) {
    if (!momentum) return;
    for (whole k = 0; k < runs; k++)
        for (whole j = k * size; j < (k + 1) * size; j++) {
            real moved = factors[j], way = moved - before[j];
            /* A statement of its own is rounded by itself, as in the tensor library. */
            real share = momentum[k] * way;
            factors[j] = moved + share;
            before[j] = moved;
        }
}

/* Take `step_count` steps of every run on an ensemble's rows. */
void descend(const entry *rows, const real *labels, const whole *counts, const whole *segments, const real *divisors,
             const real *steps, real *factors, const real *momentum, real *before, real *x, real *total, real *sums,
             real *weights, real *transposed, real *square, real *change, whole step_count, whole segment_count,
             whole block_rows, whole row_stride, whole n, whole labels_stride, whole d, whole columns, whole factor_stride,
             whole square_stride, whole x_stride, whole runs) {
    for (; step_count > 0; step_count--) {
        outer(factors, x, transposed, square, d, columns, factor_stride, square_stride, n, x_stride, runs);
        for (whole j = 0; j < runs * x_stride; j++) total[j] = 0;
        residuals(rows, x, labels, counts, total, segments, sums, weights, 0, segment_count, block_rows, row_stride, n, x_stride,
                  labels_stride, x_stride);
        step(total, divisors, steps, factors, square, change, d, columns, factor_stride, square_stride, x_stride, runs);
        look_ahead(momentum, factors, before, d * factor_stride, runs);
    }
}

/* The same on the Gram matrix of an ensemble, whose rows are those of the packed matrices. */
void descend_gram(const entry *rows, const real *labels, const real *divisors, const real *steps, real *factors,
                  const real *momentum, real *before, real *x, real *total, real *sums, real *transposed, real *square,
                  real *change, whole step_count, whole row_stride, whole n, whole labels_stride, whole d, whole columns,
                  whole factor_stride, whole square_stride, whole x_stride, whole runs) {
    whole length = packed_start(d, d);
    for (; step_count > 0; step_count--) {
        outer(factors, x, transposed, square, d, columns, factor_stride, square_stride, n, x_stride, runs);
        measure(rows, x, total, sums, length, row_stride, n, x_stride, runs, x_stride);
        for (whole k = 0; k < runs; k++)
            for (whole j = 0; j < length; j++) total[k * x_stride + j] -= labels[k * labels_stride + j];
        step(total, divisors, steps, factors, square, change, d, columns, factor_stride, square_stride, x_stride, runs);
        look_ahead(momentum, factors, before, d * factor_stride, runs);
    }
}
