/* Multiply-adds on numbers in registers: as many chains as hide an operation's latency. */
#include <stdint.h>

typedef REAL vector __attribute__((vector_size(64)));

/* Registers of 64 bytes, or a vector takes two of 32. */
#ifdef __AVX512F__
enum { CHAINS = 12 };
#else
enum { CHAINS = 6 };
#endif

int64_t chains(void) { return CHAINS; }

/* Do `count` operations on each chain, from what numbers[0] holds; write the chains to `numbers`. */
void multiply_adds(vector *numbers, int64_t count) {
    vector factor = numbers[0], chain[CHAINS];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) chain[i] = factor;
    for (; count > 0; count--)
        _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) chain[i] = factor * factor + chain[i];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) numbers[i] = chain[i];
}
