// The opcodes of the pickle machine.
#include "core/io/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "core/io/pickle_impl.h"

// Names as pickletools has them.
enum {
    MARK = '(',
    STOP = '.',
    POP = '0',
    POP_MARK = '1',
    BINFLOAT = 'G',
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    NONE = 'N',
    BINPERSID = 'Q',
    REDUCE = 'R',
    BINSTRING = 'T',
    SHORT_BINSTRING = 'U',
    BINUNICODE = 'X',
    EMPTY_LIST = ']',
    APPEND = 'a',
    BUILD = 'b',
    GLOBAL = 'c',
    DICT = 'd',
    APPENDS = 'e',
    BINGET = 'h',
    LONG_BINGET = 'j',
    LIST = 'l',
    BINPUT = 'q',
    LONG_BINPUT = 'r',
    SETITEM = 's',
    TUPLE = 't',
    SETITEMS = 'u',
    EMPTY_DICT = '}',
    EMPTY_TUPLE = ')',
    BINBYTES = 'B',
    SHORT_BINBYTES = 'C',
    PROTO = 0x80,
    NEWOBJ = 0x81,
    TUPLE1 = 0x85,
    TUPLE3 = 0x87,
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    LONG1 = 0x8a,
    SHORT_BINUNICODE = 0x8c,
    BINUNICODE8 = 0x8d,
    STACK_GLOBAL = 0x93,
    MEMOIZE = 0x94,
    FRAME = 0x95,
};

// Opcodes that state dicts do not have, for messages.
static const struct {
    uint8_t code;
    const char *name;
} refused[] = {
    {'2', "DUP"},
    {'F', "FLOAT"},
    {'I', "INT"},
    {'L', "LONG"},
    {'P', "PERSID"},
    {'S', "STRING"},
    {'V', "UNICODE"},
    {'g', "GET"},
    {'i', "INST"},
    {'o', "OBJ"},
    {'p', "PUT"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x8b, "LONG4"},
    {0x8e, "BINBYTES8"},
    {0x8f, "EMPTY_SET"},
    {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},
    {0x92, "NEWOBJ_EX"},
    {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

static zm_status refuse(const zm_pickle *p, uint8_t code)
{
    for (size_t i = 0; i < ZM_COUNT_OF(refused); i++)
        if (refused[i].code == code)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: %s, which state dicts do not have",
                           p->label, refused[i].name);
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: unknown code 0x%02x", p->label, code);
}

// The next bytes of the program.
static zm_status take(zm_pickle *p, uint64_t size, const uint8_t **out)
{
    if (size > (uint64_t)(p->end - p->at))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: it ends in the middle", p->label);
    *out = p->at;
    p->at += size;
    return ZM_OK;
}

// A little-endian number of up to 8 bytes.
static zm_status take_number(zm_pickle *p, uint32_t bytes, uint64_t *out)
{
    const uint8_t *data = NULL;
    ZM_TRY(take(p, bytes, &data));
    *out = 0;
    for (uint32_t i = bytes; i-- > 0;)
        *out = *out << 8 | data[i];
    return ZM_OK;
}

static zm_status push_kind(zm_pickle *p, zm_pickle_kind kind)
{
    return zm_pickle_push(p, &(zm_pickle_value){.kind = kind});
}

static zm_status push_number(zm_pickle *p, int64_t number)
{
    return zm_pickle_push(p,
                          &(zm_pickle_value){.kind = ZM_PICKLE_NUMBER, .number = number});
}

// A string whose length stands in front of it in so many bytes.
static zm_status push_string(zm_pickle *p, uint32_t length_bytes, zm_pickle_kind kind)
{
    uint64_t size = 0;
    const uint8_t *text = NULL;
    ZM_TRY(take_number(p, length_bytes, &size));
    ZM_TRY(take(p, size, &text));
    if (size > UINT32_MAX)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a string of 4 GiB", p->label);
    return zm_pickle_push(p, &(zm_pickle_value){.kind = kind,
                                                .text = (const char *)text,
                                                .size = (uint32_t)size});
}

// Two's complement; what has more than 64 bits (the state of a random generator) is kept
// as OTHER.
static zm_status push_long(zm_pickle *p)
{
    uint64_t bytes = 0, value = 0;
    const uint8_t *data = NULL;
    ZM_TRY(take_number(p, 1, &bytes));
    if (bytes > 8) {
        ZM_TRY(take(p, bytes, &data));
        return push_kind(p, ZM_PICKLE_OTHER);
    }
    ZM_TRY(take_number(p, (uint32_t)bytes, &value));
    if (bytes > 0 && bytes < 8 && value >> (8 * bytes - 1))
        value |= UINT64_MAX << 8 * bytes;
    int64_t number;
    memcpy(&number, &value, sizeof number);
    return push_number(p, number);
}

static zm_status memo_get(zm_pickle *p, uint32_t index_bytes)
{
    uint64_t index = 0;
    ZM_TRY(take_number(p, index_bytes, &index));
    if (index >= p->memo_room || p->memo[index] == ZM_PICKLE_NOWHERE)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: nothing was remembered as %llu",
                       p->label, (unsigned long long)index);
    return zm_pickle_push_ref(p, p->memo[index]);
}

static zm_status memo_put_at(zm_pickle *p, uint32_t index_bytes)
{
    uint64_t index = 0;
    ZM_TRY(take_number(p, index_bytes, &index));
    return zm_pickle_memo_put(p, index);
}

// "module\nname\n"
static zm_status import_lines(zm_pickle *p)
{
    const char *word[2];
    uint32_t size[2];
    for (int i = 0; i < 2; i++) {
        const uint64_t left = ZM_MIN((uint64_t)(p->end - p->at), (uint64_t)UINT32_MAX);
        const uint8_t *line = left ? memchr(p->at, '\n', left) : NULL;
        if (!line)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: it ends in the middle", p->label);
        word[i] = (const char *)p->at;
        size[i] = (uint32_t)(line - p->at);
        p->at = line + 1;
    }
    return zm_pickle_import(p, word[0], size[0], word[1], size[1]);
}

static zm_status import_stacked(zm_pickle *p)
{
    zm_pickle_ref name = 0, module = 0;
    ZM_TRY(zm_pickle_pop(p, &name));
    ZM_TRY(zm_pickle_pop(p, &module));
    const zm_pickle_value *n = &p->values[name], *m = &p->values[module];
    if (n->kind != ZM_PICKLE_STRING || m->kind != ZM_PICKLE_STRING)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: an import that is no name", p->label);
    return zm_pickle_import(p, m->text, m->size, n->text, n->size);
}

static zm_status skip(zm_pickle *p, uint64_t size)
{
    const uint8_t *unused = NULL;
    return take(p, size, &unused);
}

// A frame only says how many bytes belong together.
static zm_status frame(zm_pickle *p)
{
    uint64_t size = 0;
    ZM_TRY(take_number(p, 8, &size));
    if (size > (uint64_t)(p->end - p->at))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: a frame longer than the file",
                       p->label);
    return ZM_OK;
}

static zm_status signed_int(zm_pickle *p)
{
    uint64_t bits = 0;
    ZM_TRY(take_number(p, 4, &bits));
    return push_number(p, (int64_t)bits - (bits >> 31 ? INT64_C(1) << 32 : 0));
}

static zm_status unsigned_int(zm_pickle *p, uint32_t bytes)
{
    uint64_t value = 0;
    ZM_TRY(take_number(p, bytes, &value));
    return push_number(p, (int64_t)value);
}

static zm_status run_plain(zm_pickle *p, uint8_t code)
{
    switch (code) {
    case NONE:
        return push_kind(p, ZM_PICKLE_NONE);
    case NEWTRUE:
        return push_number(p, 1);
    case NEWFALSE:
        return push_number(p, 0);
    case BININT:
        return signed_int(p);
    case BININT1:
        return unsigned_int(p, 1);
    case BININT2:
        return unsigned_int(p, 2);
    case LONG1:
        return push_long(p);
    case BINFLOAT:
        ZM_TRY(skip(p, 8));
        return push_kind(p, ZM_PICKLE_OTHER);
    case BINUNICODE:
    case BINSTRING:
        return push_string(p, 4, ZM_PICKLE_STRING);
    case SHORT_BINUNICODE:
    case SHORT_BINSTRING:
        return push_string(p, 1, ZM_PICKLE_STRING);
    case BINUNICODE8:
        return push_string(p, 8, ZM_PICKLE_STRING);
    case BINBYTES:
        return push_string(p, 4, ZM_PICKLE_OTHER);
    case SHORT_BINBYTES:
        return push_string(p, 1, ZM_PICKLE_OTHER);
    default:
        return refuse(p, code);
    }
}

static zm_status run_container(zm_pickle *p, uint8_t code)
{
    switch (code) {
    case EMPTY_LIST:
        return push_kind(p, ZM_PICKLE_LIST);
    case EMPTY_DICT:
        return push_kind(p, ZM_PICKLE_DICT);
    case EMPTY_TUPLE:
        return push_kind(p, ZM_PICKLE_TUPLE);
    case TUPLE:
        return zm_pickle_collect_marked(p, ZM_PICKLE_TUPLE);
    case LIST:
        return zm_pickle_collect_marked(p, ZM_PICKLE_LIST);
    case DICT:
        return zm_pickle_collect_marked(p, ZM_PICKLE_DICT);
    case TUPLE1:
    case TUPLE1 + 1:
    case TUPLE3:
        return zm_pickle_collect_few(p, code - TUPLE1 + 1u);
    case APPEND:
        return zm_pickle_extend_few(p, ZM_PICKLE_LIST, 1);
    case APPENDS:
        return zm_pickle_extend_marked(p, ZM_PICKLE_LIST);
    case SETITEM:
        return zm_pickle_extend_few(p, ZM_PICKLE_DICT, 2);
    case SETITEMS:
        return zm_pickle_extend_marked(p, ZM_PICKLE_DICT);
    default:
        return run_plain(p, code);
    }
}

static zm_status run_code(zm_pickle *p, uint8_t code)
{
    zm_pickle_ref unused = 0;
    switch (code) {
    case MARK:
        return zm_pickle_push_ref(p, ZM_PICKLE_NOWHERE);
    case POP:
        return zm_pickle_pop(p, &unused);
    case POP_MARK: {
        uint32_t first = 0;
        ZM_TRY(zm_pickle_find_mark(p, &first));
        p->depth = first - 1;
        return ZM_OK;
    }
    case FRAME:
        return frame(p);
    case BINPUT:
        return memo_put_at(p, 1);
    case LONG_BINPUT:
        return memo_put_at(p, 4);
    case MEMOIZE:
        return zm_pickle_memo_put(p, p->memo_count);
    case BINGET:
        return memo_get(p, 1);
    case LONG_BINGET:
        return memo_get(p, 4);
    case GLOBAL:
        return import_lines(p);
    case STACK_GLOBAL:
        return import_stacked(p);
    case REDUCE:
        return zm_pickle_reduce(p);
    case NEWOBJ:
        return zm_pickle_newobj(p);
    case BUILD:
        return zm_pickle_build(p);
    case BINPERSID:
        return zm_pickle_storage(p);
    default:
        return run_container(p, code);
    }
}

static zm_status run(zm_pickle *p)
{
    uint64_t protocol = 0;
    const uint8_t *code = NULL;
    ZM_TRY(take(p, 1, &code));
    if (*code != PROTO)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: not a pickle of protocol 2 to 5", p->label);
    ZM_TRY(take_number(p, 1, &protocol));
    if (protocol < 2 || protocol > 5)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected pickle protocol 2 to 5, found %u",
                       p->label, (unsigned)protocol);
    for (;;) {
        ZM_TRY(take(p, 1, &code));
        if (*code == STOP)
            break;
        ZM_TRY(run_code(p, *code));
    }
    if (p->at != p->end)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: more bytes behind its end", p->label);
    ZM_TRY(zm_pickle_pop(p, &p->root));
    return p->depth == 0
               ? ZM_OK
               : ZM_FAIL(ZM_ERR_FORMAT, "%s: pickle: more than one value", p->label);
}

zm_status zm_pickle_parse(const char *label, const uint8_t *data, uint64_t size,
                          zm_pickle **out)
{
    zm_pickle *p = zm_calloc(1, sizeof *p);
    if (!p)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", label);
    p->label = label;
    p->at = data;
    p->end = data + size;
    const zm_status st = run(p);
    if (st != ZM_OK)
        zm_pickle_close(&p);
    else
        p->label = NULL;
    *out = p;
    return st;
}

void zm_pickle_close(zm_pickle **pickle)
{
    zm_pickle *p = *pickle;
    if (!p)
        return;
    for (uint32_t i = 0; i < p->value_count; i++)
        free(p->values[i].items);
    free(p->values);
    free(p->stack);
    free(p->memo);
    free(p);
    *pickle = NULL;
}

zm_pickle_ref zm_pickle_root(const zm_pickle *pickle)
{
    return pickle->root;
}

const zm_pickle_value *zm_pickle_at(const zm_pickle *pickle, zm_pickle_ref ref)
{
    return &pickle->values[ref];
}
