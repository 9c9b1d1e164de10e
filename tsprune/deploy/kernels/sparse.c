/* Linear layers with few weights, one after the other, for many tokens: y = act(W x + b).

   A core takes a tile of tokens at a time and turns it so that a feature's values for all its tokens lie side by side.
   A weight is then read once for VECTORS * LANES tokens, whichever weights are zero, and what lies between two layers
   never leaves the cache. Compiled once per instruction set: LANES floats to a register.

   Weights lie by blocks of columns (a block of the tile stays in the nearest cache), in a block by row, rows of as many
   weights together: a loop that runs as often as the one before it is foreseen by the processor.

   And moving averages, which a model computes as products with a matrix that is mostly zeros, too. */

#include <stddef.h>
#include <stdint.h>

#define VECTORS 4 /* registers of sums: as many as it takes to wait for none of them */

typedef float vec __attribute__((vector_size(4 * LANES), may_alias));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* at any address */
typedef int32_t ints __attribute__((vector_size(4 * LANES)));

enum { NONE, RELU, GELU };

/* As kernels/packed.py has it. */
struct layer {
    int32_t inputs, outputs, width, blocks, activation;
    const int32_t *groups;   /* (weights in a row, rows): how many rows of a block have so many, ... */
    const int32_t *rows;     /* the row of y, in that order */
    const uint16_t *columns; /* of the weights, counted from the block's first */
    const float *values;
    const float *bias; /* or none */
};

struct call {
    const struct layer *layers; /* of the first product, then of the next, ... */
    int products, count, vectors, threads;
    const float *x;
    float *y, *scratch;
    ptrdiff_t x_product, x_stride, y_product, y_stride, scratch_each;
    int64_t tokens, tiles, next;
};

/* Of the OpenMP that torch has loaded, so that both use the same threads. */
extern void GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);

static inline __attribute__((always_inline)) vec all(float value) { return value - (vec){0}; }

/* The transpose of LANES x LANES numbers: halves change places, then quarters, ... Which numbers go where is a constant,
   so that the compiler finds the processor's own instruction for it. */
#define LOW(i, step) ((i) & (step) ? LANES + (i) - (step) : (i))
#define HIGH(i, step) ((i) & (step) ? LANES + (i) : (i) + (step))
#define FOUR(of, i, step) of(i, step), of((i) + 1, step), of((i) + 2, step), of((i) + 3, step)
#if LANES == 16
#define EACH(of, step) {FOUR(of, 0, step), FOUR(of, 4, step), FOUR(of, 8, step), FOUR(of, 12, step)}
#elif LANES == 8
#define EACH(of, step) {FOUR(of, 0, step), FOUR(of, 4, step)}
#else
#define EACH(of, step) {FOUR(of, 0, step)}
#endif
#define CHANGE(step)                                                                    \
    if (step < LANES)                                                                   \
        _Pragma("GCC unroll 16")                                                        \
        for (int i = 0; i < LANES; i++)                                                 \
            if (!(i & step)) {                                                          \
                const vec first = a[i], second = a[i + step];                           \
                a[i] = __builtin_shuffle(first, second, (ints)EACH(LOW, step));         \
                a[i + step] = __builtin_shuffle(first, second, (ints)EACH(HIGH, step)); \
            }
static inline __attribute__((always_inline)) void transpose(vec *a) {
    CHANGE(8)
    CHANGE(4)
    CHANGE(2)
    CHANGE(1)
}

/* (tokens, features) to (features, wide); beyond the tokens the last one is repeated. */
static void turn_in(const float *x, ptrdiff_t stride, int tokens, int features, float *to, int wide) {
    for (int t = 0; t < wide; t += LANES) {
        const float *from[LANES];
        for (int i = 0; i < LANES; i++) from[i] = x + (t + i < tokens ? t + i : tokens - 1) * stride;
        int f = 0;
        for (; f + LANES <= features; f += LANES) {
            vec a[LANES];
            for (int i = 0; i < LANES; i++) a[i] = (vec) * (const loose *)(from[i] + f);
            transpose(a);
            for (int i = 0; i < LANES; i++) *(vec *)(to + (ptrdiff_t)(f + i) * wide + t) = a[i];
        }
        for (; f < features; f++)
            for (int i = 0; i < LANES; i++) to[(ptrdiff_t)f * wide + t + i] = from[i][f];
    }
}

/* (features, wide) to (tokens, features). */
static void turn_out(const float *from, int wide, int tokens, int features, float *y, ptrdiff_t stride) {
    for (int t = 0; t < tokens; t += LANES) {
        int here = tokens - t < LANES ? tokens - t : LANES, f = 0;
        float *to = y + t * stride;
        for (; f + LANES <= features; f += LANES) {
            vec a[LANES];
            for (int i = 0; i < LANES; i++) a[i] = *(const vec *)(from + (ptrdiff_t)(f + i) * wide + t);
            transpose(a);
            for (int i = 0; i < here; i++) *(loose *)(to + i * stride + f) = (loose)a[i];
        }
        for (; f < features; f++)
            for (int i = 0; i < here; i++) to[i * stride + f] = from[(ptrdiff_t)f * wide + t + i];
    }
}

/* x (1 + erf(x / sqrt 2)) / 2. Up to 5.4 erf is |x| times a quotient of polynomials in x^2, which weighted least squares
   fitted so that the result is within 2e-8 (1e-6 as floats compute it); beyond it is 1, short of 7e-8. */
static inline __attribute__((always_inline)) vec gelu(vec x) {
    const ints sign = (ints)x & (-2147483647 - 1 - (ints){0});
    const vec size = (vec)((ints)x ^ sign), half = 0.5f * x, square = size * size;
    vec p = square * 4.5594291e-8f + 1.29408336e-5f;
    p = p * square + 3.50114162e-4f;
    p = p * square + 9.43078101e-3f;
    p = p * square + 6.87697977e-2f;
    p = p * square + 7.97884226e-1f;
    vec q = square * 1.20771165e-6f + 7.60532203e-5f;
    q = q * square + 1.91897433e-3f;
    q = q * square + 2.89651398e-2f;
    q = q * square + 2.52854913e-1f;
    q = q * square + 1.0f;
    const ints far = size > 5.4f;
    const vec erf = (vec)(((ints)(size * p / q) & ~far) | ((ints)all(1.0f) & far));
    return half + (vec)((ints)half ^ sign) * erf;
}

static inline __attribute__((always_inline)) vec active(vec x, int activation) {
    if (activation == RELU) return (vec)((ints)x & ~(x <= 0.0f)); /* what is no number stays none */
    if (activation == GELU) return gelu(x);
    return x;
}

/* One layer for `vectors` times LANES tokens. */
static inline __attribute__((always_inline)) void multiply(const struct layer *l, const float *in, float *out,
                                                           const int vectors) {
    const int wide = vectors * LANES;
    const int32_t *group = l->groups, *row = l->rows;
    const uint16_t *column = l->columns;
    const float *value = l->values;
    for (int block = 0; block < l->blocks; block++) {
        const float *x = in + (ptrdiff_t)block * l->width * wide;
        const int last = block == l->blocks - 1;
        for (int done = 0; done < l->outputs; group += 2) {
            const int count = group[0], many = group[1];
            done += many;
            for (int r = 0; r < many; r++, row++) {
                vec *to = (vec *)(out + (ptrdiff_t)*row * wide), sum[VECTORS];
                for (int v = 0; v < vectors; v++) sum[v] = block ? to[v] : all(l->bias ? l->bias[*row] : 0);
                for (int k = 0; k < count; k++) {
                    const vec *from = (const vec *)(x + (ptrdiff_t)column[k] * wide);
                    for (int v = 0; v < vectors; v++) sum[v] += value[k] * from[v];
                }
                column += count;
                value += count;
                for (int v = 0; v < vectors; v++) to[v] = last ? active(sum[v], l->activation) : sum[v];
            }
        }
    }
}

static void work(void *data) {
    struct call *c = data;
    const int wide = c->vectors * LANES;
    float *const mine = c->scratch + (c->threads > 1 ? omp_get_thread_num() : 0) * c->scratch_each;
    for (;;) { /* who is held up takes fewer tiles */
        const int64_t number = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED), product = number / c->tiles;
        if (product >= c->products) return;
        const int64_t token = number % c->tiles * wide;
        const int here = c->tokens - token < wide ? (int)(c->tokens - token) : wide;
        const struct layer *const first = c->layers + product * c->count, *const end = first + c->count;
        float *in = mine;
        turn_in(c->x + product * c->x_product + token * c->x_stride, c->x_stride, here, first->inputs, in, wide);
        for (const struct layer *l = first; l < end; l++) {
            float *out = in + (ptrdiff_t)l->inputs * wide;
            switch (c->vectors) {
            case 1: multiply(l, in, out, 1); break;
            case 2: multiply(l, in, out, 2); break;
            case 3: multiply(l, in, out, 3); break;
            default: multiply(l, in, out, VECTORS);
            }
            in = out;
        }
        turn_out(in, wide, here, end[-1].outputs, c->y + product * c->y_product + token * c->y_stride, c->y_stride);
    }
}

struct average {
    int length, before, after, rest, threads;
    const float *x;
    float *y;
    ptrdiff_t channels;
    int64_t batch, tiles, next;
};

/* `many` registers of channels of one window of the batch; beyond the ends the value there counts. */
static inline __attribute__((always_inline)) void average_tile(const struct average *a, const float *x, float *y,
                                                               const int many) {
    const float share = 1.0f / (a->before + 1 + a->after);
    const int last = a->length - 1;
    for (int t = 0; t <= last; t++) {
        vec sum[many];
        for (int v = 0; v < many; v++) sum[v] = all(0);
        for (int s = t - a->before; s <= t + a->after; s++) {
            const float *from = x + (s < 0 ? 0 : s > last ? last : s) * a->channels;
            for (int v = 0; v < many; v++) sum[v] += (vec) * (const loose *)(from + v * LANES);
        }
        const float *from = x + t * a->channels;
        float *to = y + t * a->channels;
        for (int v = 0; v < many; v++) {
            vec trend = sum[v] * share;
            if (a->rest) trend = (vec) * (const loose *)(from + v * LANES) - trend;
            *(loose *)(to + v * LANES) = (loose)trend;
        }
    }
}

/* The same for one channel. */
static void average_channel(const struct average *a, const float *x, float *y) {
    const float share = 1.0f / (a->before + 1 + a->after);
    const int last = a->length - 1;
    for (int t = 0; t <= last; t++) {
        float sum = 0;
        for (int s = t - a->before; s <= t + a->after; s++) sum += x[(s < 0 ? 0 : s > last ? last : s) * a->channels];
        y[t * a->channels] = a->rest ? x[t * a->channels] - sum * share : sum * share;
    }
}

static void average_work(void *data) {
    struct average *a = data;
    const ptrdiff_t wide = VECTORS * LANES;
    for (;;) {
        const int64_t number = __atomic_fetch_add(&a->next, 1, __ATOMIC_RELAXED);
        if (number >= a->batch * a->tiles) return;
        ptrdiff_t channel = number % a->tiles * wide;
        const ptrdiff_t end = channel + wide < a->channels ? channel + wide : a->channels;
        const float *x = a->x + number / a->tiles * a->length * a->channels;
        float *y = a->y + (x - a->x);
        if (end - channel == wide) {
            average_tile(a, x + channel, y + channel, VECTORS);
            continue;
        }
        for (; channel + LANES <= end; channel += LANES) average_tile(a, x + channel, y + channel, 1);
        for (; channel < end; channel++) average_channel(a, x + channel, y + channel);
    }
}

/* y, the mean over time of the `before` values before each of x, itself, and the `after` values after it; with `rest`
   x minus that. Both (batch, length, channels), channels side by side. */
void moving_average(const float *x, float *y, int64_t batch, int length, ptrdiff_t channels, int before, int after,
                    int rest, int threads) {
    const int64_t tiles = (channels + VECTORS * LANES - 1) / (VECTORS * LANES);
    struct average a = {length, before, after, rest, threads, x, y, channels, batch, tiles, 0};
    if (threads > 1 && batch * tiles > 1)
        GOMP_parallel(average_work, &a, threads, 0);
    else
        average_work(&a);
}

/* For each of the products, y (tokens, outputs of its last layer) of x (tokens, inputs of its first); all have `count`
   layers of the same sizes. Strides are in floats, from product to product and from token to token; `scratch` holds
   `scratch_each` floats for each thread, as many as the layers of a product have features, times vectors * LANES, and
   is aligned to a register. */
void sparse_layers(const struct layer *layers, int products, int count, const float *x, ptrdiff_t x_product,
                   ptrdiff_t x_stride, float *y, ptrdiff_t y_product, ptrdiff_t y_stride, int64_t tokens, int vectors,
                   float *scratch, ptrdiff_t scratch_each, int threads) {
    const int64_t tiles = (tokens + vectors * LANES - 1) / (vectors * LANES);
    struct call c = {layers, products, count, vectors, threads, x, y, scratch, x_product, x_stride, y_product, y_stride,
                     scratch_each, tokens, tiles, 0};
    if (threads > 1)
        GOMP_parallel(work, &c, threads, 0);
    else
        work(&c);
}
