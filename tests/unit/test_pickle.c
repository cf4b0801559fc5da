#include "io_helpers.h"

#include "core/io/pickle.h"

// A program without its protocol and its stop; sizeof counts NULs inside.
#define PROGRAM(text) "\x80\x02" text ".", sizeof("\x80\x02" text ".") - 1

// The program in memory of its own, where the sanitizer sees a byte too far; it lives
// until the next call, as the values point into it.
static zm_status parse(const char *program, size_t size, zm_pickle **out)
{
    static uint8_t *data;
    free(data);
    data = malloc(ZM_MAX(size, 1u));
    cr_assert(data);
    memcpy(data, program, size);
    return zm_pickle_parse("file", data, size, out);
}

typedef struct hostile {
    const char *program;
    size_t size;
    const char *detail;
} hostile;

Test(pickle, nothing_is_imported_or_called)
{
    static const hostile cases[] = {
        {PROGRAM("cos\nsystem\nX\2\0\0\0id\x85R"), "os.system"},
        {PROGRAM("cbuiltins\neval\n"), "builtins.eval"},
        {PROGRAM("c__builtin__\nexec\n"), "__builtin__.exec"},
        {PROGRAM("ctorch\nload\n"), "torch.load"},
        {PROGRAM("ctorch.hub\nload\n"), "torch.hub.load"},
        {PROGRAM("ctorch._utils\n_rebuild_tensor\n"), "torch._utils._rebuild_tensor"},
        {PROGRAM("ccollections\nOrderedDict.__reduce__\n"), "OrderedDict.__reduce__"},
        {PROGRAM("c\x1b[2J\nx\n"), "?[2J.x"},
        {PROGRAM("\x8c\2os\x8c\6system\x93"), "os.system"},
        {PROGRAM("K\1K\2\x93"), "no name"},
        {PROGRAM("(X\2\0\0\0idios\nsystem\n"), "INST"},
        {PROGRAM("(cargparse\nNamespace\no"), "OBJ"},
        {PROGRAM("ccollections\nOrderedDict\n)\x81"), "a new object of collections"},
        {PROGRAM("cargparse\nNamespace\nK\1\x85\x81"), "a new object of argparse"},
        {PROGRAM("cargparse\nNamespace\n)}\x92"), "NEWOBJ_EX"},
        {PROGRAM("cargparse\nNamespace\n)R"), "a call of argparse.Namespace"},
        {PROGRAM("ctorch\nfloat32\n)R"), "a call of torch.float32"},
        {PROGRAM("ctorch\nFloatStorage\nK\1\x85R"), "a call of torch.FloatStorage"},
        {PROGRAM("ccollections\nOrderedDict\n]\x85R"), "bad arguments"},
        {PROGRAM("ccollections\nOrderedDict\n]R"), "a call"},
        {PROGRAM("K\1)R"), "a call of something"},
        {PROGRAM("ccollections\nOrderedDict\n}b"), "a state of collections"},
        {PROGRAM("]}b"), "a state of something"},
        {PROGRAM("}K\1b"), "a state of something"},
        {PROGRAM("}}}\x86"
                 "b"),
         "a state of something"}, // (None, slots) of __setstate__
        {PROGRAM("\x82\1"), "EXT1"},
        {PROGRAM("\x97"), "NEXT_BUFFER"},
        {PROGRAM("P1\n"), "PERSID"},
        {PROGRAM("I1\n"), "INT"},
        {PROGRAM("S'a'\n"), "STRING"},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        zm_pickle *p = NULL;
        expect_status(parse(cases[i].program, cases[i].size, &p), ZM_ERR_FORMAT);
        expect_detail(cases[i].detail);
        cr_expect_null(p);
    }
}

Test(pickle, damaged_programs_are_refused)
{
    static const hostile cases[] = {
        {PROGRAM(""), "a value is missing"},
        {PROGRAM("0"), "a value is missing"},
        {PROGRAM("(0"), "a value is missing"},
        {PROGRAM("1"), "a mark is missing"},
        {PROGRAM("NN"), "more than one value"},
        {PROGRAM("("), "a value is missing"},
        {PROGRAM("t"), "a mark is missing"},
        {PROGRAM("\x85"), "a value is missing"},
        {PROGRAM("(N\x86"), "a value is missing"},
        {PROGRAM("(K\1d"), "a key without a value"},
        {PROGRAM("Na"), "no list"},
        {PROGRAM("}Na"), "no list"},
        {PROGRAM("](K\1K\2u"), "no dict"},
        {PROGRAM("}(K\1u"), "no dict"},
        {PROGRAM("](Na"), "no list"},
        {PROGRAM("(K\1e"), "no list"},
        {PROGRAM("h\1"), "remembered as 1"},
        {PROGRAM("j\xff\xff\xff\xff"), "remembered as 4294967295"},
        {PROGRAM("Nr\xff\xff\xff\xff"), "more than"},
        {PROGRAM("Nr\0\0\x10\0"), "more than"},
        {PROGRAM("q\0"), "nothing to remember"},
        {PROGRAM("(q\0"), "nothing to remember"},
        {PROGRAM("X\xff\xff\xff\xff"), "ends in the middle"},
        {PROGRAM("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "ends in the middle"},
        {PROGRAM("\x8a\xff"), "ends in the middle"},
        {PROGRAM("\x8b\xff\xff\xff\x7f"), "LONG4"},
        {PROGRAM("\x95\xff\xff\xff\xff\xff\xff\xff\xff"), "frame"},
        {PROGRAM("\xff"), "0xff"},
        {PROGRAM("N.N"), "behind its end"},
        {PROGRAM("NQ"), "persistent"},
        {PROGRAM("(NNNNNtQ"), "damaged storage"},
        {PROGRAM(
             "(X\7\0\0\0storageccollections\nOrderedDict\nX\1\0\0\0000X\0\0\0\0K\1tQ"),
         "damaged storage"},
        {PROGRAM("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\0\0\0\0J\xff\xff"
                 "\xff\xfftQ"),
         "damaged storage"},
        {"\x80\x01N.", 4, "protocol"},
        {"\x80\x06N.", 4, "protocol"},
        {"(dp0\n.", 6, "not a pickle"},
        {"", 0, "ends in the middle"},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        zm_pickle *p = NULL;
        expect_status(parse(cases[i].program, cases[i].size, &p), ZM_ERR_FORMAT);
        expect_detail(cases[i].detail);
        cr_expect_null(p);
    }
}

// As torch.save writes {"w": tensor}: shape (2, 3), strides (1, 2), offset 4.
#define STORAGE "(X\7\0\0\0storagectorch\nHalfStorage\nX\2\0\0\00012X\3\0\0\0cpuK\x14tQ"
#define TENSOR                                                                           \
    "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\4K\2K\3\x86K\1K\2\x86\x89"         \
    "ccollections\nOrderedDict\n)RtR"

static const zm_pickle_value *member(const char *program, size_t size, const char *key,
                                     zm_pickle **p)
{
    expect_ok(parse(program, size, p));
    return zm_pickle_get(*p, zm_pickle_at(*p, zm_pickle_root(*p)), key);
}

Test(pickle, a_tensor_is_read)
{
    zm_pickle *p = NULL;
    zm_pickle_tensor t;
    const char program[] = "\x80\x02}q\0(X\1\0\0\0w" TENSOR "u.";
    const zm_pickle_value *v = member(program, sizeof program - 1, "w", &p);
    cr_assert(v);
    cr_assert_eq(v->kind, ZM_PICKLE_TENSOR);
    cr_assert(zm_pickle_tensor_of(p, v, &t));
    cr_expect_eq(t.offset, 4);
    cr_assert_eq(t.rank, 2);
    cr_expect(t.shape[0] == 2 && t.shape[1] == 3);
    cr_expect(t.stride[0] == 1 && t.stride[1] == 2);
    const zm_pickle_value *storage = zm_pickle_at(p, t.storage);
    cr_expect_eq(storage->dtype, ZM_ST_F16);
    cr_expect_eq(storage->number, 20);
    cr_expect(storage->size == 2 && memcmp(storage->text, "12", 2) == 0);
    zm_pickle_close(&p);
}

Test(pickle, a_parameter_is_its_tensor)
{
    zm_pickle *p = NULL;
    const char program[] =
        "\x80\x02}(X\1\0\0\0wctorch._utils\n_rebuild_parameter\n" TENSOR "\x88"
        "ccollections\nOrderedDict\n)R\x87Ru.";
    const zm_pickle_value *v = member(program, sizeof program - 1, "w", &p);
    cr_assert(v);
    cr_expect_eq(v->kind, ZM_PICKLE_TENSOR);
    zm_pickle_close(&p);
}

Test(pickle, tensors_of_impossible_shapes_are_refused)
{
#define REBUILD(numbers)                                                                 \
    PROGRAM("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE numbers "\x89NtR")
    static const hostile cases[] = {
        {REBUILD("J\xff\xff\xff\xffK\2\x85K\1\x85"), "bad arguments"},
        {REBUILD("K\0J\xff\xff\xff\xff\x85K\1\x85"), "bad arguments"},
        {REBUILD("K\0K\2\x85J\xff\xff\xff\xff\x85"), "bad arguments"},
        {REBUILD("K\0K\2\x85)"), "bad arguments"},
        {REBUILD("K\0]]"), "bad arguments"},
        {REBUILD("NK\2\x85K\1\x85"), "bad arguments"},
        {REBUILD("K\0N\x85K\1\x85"), "bad arguments"},
        {REBUILD("K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1t"),
         "bad arguments"},
        {PROGRAM("ctorch._utils\n_rebuild_tensor_v2\n)R"), "bad arguments"},
        {PROGRAM("ctorch._utils\n_rebuild_parameter\nN\x88N\x87R"), "bad arguments"},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        zm_pickle *p = NULL;
        expect_status(parse(cases[i].program, cases[i].size, &p), ZM_ERR_FORMAT);
        expect_detail(cases[i].detail);
    }
}

Test(pickle, numbers_keep_their_sign)
{
    static const struct {
        const char *program;
        size_t size;
        int64_t number;
    } cases[] = {
        {PROGRAM("K\xff"), 255},
        {PROGRAM("M\xff\xff"), 65535},
        {PROGRAM("J\xfe\xff\xff\xff"), -2},
        {PROGRAM("J\xff\xff\xff\x7f"), 2147483647},
        {PROGRAM("\x8a\0"), 0},
        {PROGRAM("\x8a\1\xff"), -1},
        {PROGRAM("\x8a\2\xff\0"), 255},
        {PROGRAM("\x8a\10\0\0\0\0\0\0\0\x80"), INT64_MIN},
        {PROGRAM("\x88"), 1},
    };
    for (size_t i = 0; i < ZM_COUNT_OF(cases); i++) {
        zm_pickle *p = NULL;
        expect_ok(parse(cases[i].program, cases[i].size, &p));
        const zm_pickle_value *v = zm_pickle_at(p, zm_pickle_root(p));
        cr_expect_eq(v->kind, ZM_PICKLE_NUMBER);
        cr_expect_eq(v->number, cases[i].number, "case %zu", i);
        zm_pickle_close(&p);
    }
}

Test(pickle, the_last_of_equal_keys_counts)
{
    zm_pickle *p = NULL;
    const char program[] = "\x80\x02}(X\1\0\0\0aK\1X\1\0\0\0aK\2u.";
    const zm_pickle_value *v = member(program, sizeof program - 1, "a", &p);
    cr_assert(v);
    cr_expect_eq(v->number, 2);
    cr_expect_null(zm_pickle_get(p, zm_pickle_at(p, zm_pickle_root(p)), "b"));
    zm_pickle_close(&p);
}

Test(pickle, what_contains_itself_does_no_harm)
{
    zm_pickle *p = NULL;
    const char program[] = "\x80\x02}q\0X\1\0\0\0ah\0s.";
    const zm_pickle_value *v = member(program, sizeof program - 1, "a", &p);
    cr_expect_eq(v, zm_pickle_at(p, zm_pickle_root(p)));
    zm_pickle_close(&p);
}

// A million brackets: deeper than any recursion would stand.
Test(pickle, depth_is_no_danger)
{
    enum { DEPTH = 1 << 19 };
    zm_pickle *p = NULL;
    uint8_t *program = malloc(2 * DEPTH + 3);
    cr_assert(program);
    program[0] = 0x80;
    program[1] = 2;
    memset(program + 2, ']', DEPTH);
    memset(program + 2 + DEPTH, 'a', DEPTH - 1);
    program[2 * DEPTH + 1] = '.';
    expect_ok(zm_pickle_parse("file", program, 2 * DEPTH + 2, &p));
    zm_pickle_close(&p);
    memset(program + 2, '(', 2 * DEPTH);
    expect_status(zm_pickle_parse("file", program, 2 * DEPTH + 2, &p), ZM_ERR_FORMAT);
    free(program);
}
