// Walks elements [begin, end) of a (rows, cols) array as pieces of rows:
//   for (zm_span s = zm_span_at(begin, end, cols); s.first < s.last;
//        s = zm_span_next(s, end, cols))
// gives columns [s.first, s.last) of row s.row.
#ifndef ZM_CPU_SPAN_H
#define ZM_CPU_SPAN_H

#include <stddef.h>

typedef struct zm_span {
    size_t row, first, last;
} zm_span;

static inline zm_span zm_span_at(size_t i, size_t end, size_t cols)
{
    if (i >= end)
        return (zm_span){0, 0, 0};
    const size_t row = i / cols, first = i - row * cols, rest = cols - first;
    return (zm_span){row, first, first + (rest < end - i ? rest : end - i)};
}

static inline zm_span zm_span_next(zm_span s, size_t end, size_t cols)
{
    return zm_span_at(s.row * cols + s.last, end, cols);
}

#endif
