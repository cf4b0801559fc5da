// The state of the pickle machine, shared by its opcodes and its values.
#ifndef ZM_PICKLE_IMPL_H
#define ZM_PICKLE_IMPL_H

#include "core/io/pickle.h"

enum {
    ZM_PICKLE_MAX = 1 << 20, // values, stack and memo: state dicts need thousands
};
#define ZM_PICKLE_NOWHERE UINT32_MAX

struct zm_pickle {
    const char *label; // only while it runs
    const uint8_t *at, *end;
    zm_pickle_value *values;
    uint32_t value_count, value_room;
    zm_pickle_ref *stack; // ZM_PICKLE_NOWHERE is a mark
    uint32_t depth, stack_room;
    zm_pickle_ref *memo;
    uint32_t memo_room, memo_count;
    zm_pickle_ref root;
};

// A new value on top of the stack, or one that there is; the one on top taken off.
zm_status zm_pickle_push(zm_pickle *p, const zm_pickle_value *value);
zm_status zm_pickle_push_ref(zm_pickle *p, zm_pickle_ref ref);
zm_status zm_pickle_pop(zm_pickle *p, zm_pickle_ref *out);
zm_status zm_pickle_add_item(zm_pickle *p, zm_pickle_ref container, zm_pickle_ref item);

// A new container of all values above the last mark, or a tuple of the topmost n.
zm_status zm_pickle_collect_marked(zm_pickle *p, zm_pickle_kind kind);
zm_status zm_pickle_collect_few(zm_pickle *p, uint32_t n);
// Moves them into the container below.
zm_status zm_pickle_extend_marked(zm_pickle *p, zm_pickle_kind kind);
zm_status zm_pickle_extend_few(zm_pickle *p, zm_pickle_kind kind, uint32_t n);

// Position on the stack behind the last mark.
zm_status zm_pickle_find_mark(const zm_pickle *p, uint32_t *out);

// Remembers what is on top of the stack.
zm_status zm_pickle_memo_put(zm_pickle *p, uint64_t index);

// "module.name" on the stack if it is one of the names that are known; else its refusal.
zm_status zm_pickle_import(zm_pickle *p, const char *module, uint32_t module_size,
                           const char *name, uint32_t name_size);

// The opcodes that would run something: take their operands off the stack and put the
// result there, where it is one of those that are known.
zm_status zm_pickle_reduce(zm_pickle *p);  // REDUCE
zm_status zm_pickle_newobj(zm_pickle *p);  // NEWOBJ
zm_status zm_pickle_build(zm_pickle *p);   // BUILD
zm_status zm_pickle_storage(zm_pickle *p); // BINPERSID

#endif
