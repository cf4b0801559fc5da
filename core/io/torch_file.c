#include "core/io/torch_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/pickle.h"
#include "core/io/safetensors_impl.h"
#include "core/io/zip.h"

enum { MAX_PICKLE = 16 << 20, MAX_KEY = 20 };

typedef struct tensor {
    zm_st_entry entry;
    zm_pickle_tensor view;
    const zm_zip_entry *storage;
} tensor;

struct zm_torch_file {
    char *path;
    char *prefix; // of the entries: "archive/"
    zm_zip *zip;
    uint8_t *program;
    zm_pickle *pickle;
    tensor *tensors;
    uint64_t count;
    uint32_t *by_name;
    char *names, *meta;
    const zm_zip_entry *loaded; // the storage in numbers, kept for its next tensor
    uint8_t *numbers;
};

static const uint8_t old_magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9};

bool zm_torch_file_is(const uint8_t *data, uint64_t size)
{
    return zm_zip_is_zip(data, size) ||
           (size >= sizeof old_magic && memcmp(data, old_magic, sizeof old_magic) == 0);
}

static zm_status refuse_old(const char *path)
{
    uint8_t head[sizeof old_magic] = {0};
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    if (n < sizeof head || memcmp(head, old_magic, sizeof head) != 0)
        return ZM_OK;
    return ZM_FAIL(
        ZM_ERR_FORMAT,
        "%s: written in PyTorch's format of before 1.6; load it with torch.load "
        "and torch.save it again",
        path);
}

// An entry behind the prefix of the archive.
static const zm_zip_entry *find_entry(const zm_torch_file *t, const char *name,
                                      const char *key)
{
    char full[600];
    const int n = snprintf(full, sizeof full, "%s%s%s", t->prefix, name, key);
    return n > 0 && (size_t)n < sizeof full ? zm_zip_find(t->zip, full) : NULL;
}

static zm_status find_prefix(zm_torch_file *t)
{
    static const char program[] = "data.pkl";
    for (uint64_t i = 0; i < zm_zip_count(t->zip); i++) {
        const char *name = zm_zip_at(t->zip, i)->name;
        const char *slash = strrchr(name, '/');
        const char *last = slash ? slash + 1 : name;
        if (strcmp(last, program) != 0)
            continue;
        if (t->prefix)
            return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected one data.pkl, found two",
                           t->path);
        if (!(t->prefix = zm_strdup(name)))
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", t->path);
        t->prefix[last - name] = '\0';
    }
    if (!t->prefix)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: a zip archive, but no model of PyTorch: no data.pkl",
                       t->path);
    if (find_entry(t, "constants.pkl", ""))
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: a TorchScript program; save model.state_dict() with torch.save",
            t->path);
    return ZM_OK;
}

static zm_status check_byteorder(const zm_torch_file *t)
{
    enum { LONGEST = 16 };
    const zm_zip_entry *e = find_entry(t, "byteorder", "");
    uint8_t *order = NULL;
    if (!e)
        return ZM_OK; // PyTorch before 2.1
    ZM_TRY(zm_zip_read(t->zip, e, LONGEST, &order));
    const bool little = strcmp((const char *)order, "little") == 0;
    free(order);
    return little ? ZM_OK
                  : ZM_FAIL(ZM_ERR_FORMAT, "%s: expected little-endian numbers", t->path);
}

static zm_status run_program(zm_torch_file *t)
{
    const zm_zip_entry *e = find_entry(t, "data.pkl", "");
    ZM_TRY(zm_zip_read(t->zip, e, MAX_PICKLE, &t->program));
    return zm_pickle_parse(t->path, t->program, e->size, &t->pickle);
}

// Rows, columns, ... inside the storage, and no element twice: the strides, sorted, each
// step over all that the smaller ones reach.
static bool lies_inside(const zm_pickle_tensor *v, uint64_t count, uint64_t elements)
{
    if (count == 0)
        return v->offset <= elements;
    uint64_t reach = 0; // of the last element, from the first
    bool used[ZM_ST_MAX_RANK] = {false};
    for (uint32_t n = 0; n < v->rank; n++) {
        uint32_t least = v->rank;
        for (uint32_t i = 0; i < v->rank; i++)
            if (!used[i] && (least == v->rank || v->stride[i] < v->stride[least]))
                least = i;
        used[least] = true;
        uint64_t far = 0;
        if (v->shape[least] == 1)
            continue;
        if (v->stride[least] <= reach ||
            !zm_mul_u64(v->shape[least] - 1, v->stride[least], &far) ||
            !zm_add_u64(reach, far, &reach))
            return false;
    }
    return reach < elements && v->offset < elements - reach;
}

static zm_status find_storage(const zm_torch_file *t, const zm_pickle_value *s,
                              tensor *out)
{
    char key[MAX_KEY + 1] = "";
    uint64_t bytes = 0;
    bool plain = s->size > 0 && s->size <= MAX_KEY;
    for (uint32_t i = 0; plain && i < s->size; i++)
        plain = s->text[i] >= '0' && s->text[i] <= '9';
    if (!plain)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor %s: its storage has no number", t->path,
                       out->entry.name);
    memcpy(key, s->text, s->size);
    out->storage = find_entry(t, "data/", key);
    const uint32_t size = s->dtype == ZM_ST_OTHER ? 2 : zm_st_type_of(s->dtype)->size;
    if (!out->storage || !out->storage->stored ||
        !zm_mul_u64((uint64_t)s->number, size, &bytes) || bytes > out->storage->size)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: tensor %s: expected an entry data/%s of at least %" PRId64
                       " elements, not compressed",
                       t->path, out->entry.name, key, s->number);
    return ZM_OK;
}

static zm_status add_tensor(zm_torch_file *t, const char *name,
                            const zm_pickle_value *value)
{
    tensor *out = &t->tensors[t->count];
    zm_st_entry *e = &out->entry;
    e->name = name;
    if (value->kind != ZM_PICKLE_TENSOR ||
        !zm_pickle_tensor_of(t->pickle, value, &out->view))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: %s: expected a tensor, found something else",
                       t->path, name);
    const zm_pickle_value *storage = zm_pickle_at(t->pickle, out->view.storage);
    ZM_TRY(find_storage(t, storage, out));
    e->dtype = storage->dtype;
    e->rank = out->view.rank;
    memcpy(e->shape, out->view.shape, sizeof e->shape);
    if (!zm_st_shape_size(e->shape, e->rank, 1, &e->count, &e->size) ||
        !lies_inside(&out->view, e->count, (uint64_t)storage->number))
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: tensor %s: shape, strides and offset do not fit its storage of "
            "%" PRId64 " elements",
            t->path, name, storage->number);
    t->count++;
    return ZM_OK;
}

// Text of the pickle as a string at *at, which moves behind it; NULL where it has
// characters that no name has.
static const char *copy_name(const zm_pickle_value *text, char **at)
{
    enum { LONGEST = 512 };
    if (text->kind != ZM_PICKLE_STRING || text->size == 0 || text->size > LONGEST)
        return NULL;
    for (uint32_t i = 0; i < text->size; i++)
        if ((unsigned char)text->text[i] < ' ' || text->text[i] == 127)
            return NULL;
    char *name = *at;
    memcpy(name, text->text, text->size);
    name[text->size] = '\0';
    *at += text->size + 1;
    return name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const zm_st_entry *)a)->name, ((const zm_st_entry *)b)->name);
}

static zm_status sort_names(zm_torch_file *t)
{
    zm_status st = ZM_OK;
    zm_st_entry *sorted = zm_calloc(t->count + 1, sizeof *sorted);
    t->by_name = zm_calloc(t->count + 1, sizeof *t->by_name);
    if (!sorted || !t->by_name) {
        free(sorted);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", t->path);
    }
    for (uint64_t i = 0; i < t->count; i++)
        sorted[i] = (zm_st_entry){.name = t->tensors[i].entry.name, .offset = i};
    qsort(sorted, t->count, sizeof *sorted, compare_names);
    for (uint64_t i = 0; i < t->count; i++) {
        t->by_name[i] = (uint32_t)sorted[i].offset;
        if (i > 0 && strcmp(sorted[i - 1].name, sorted[i].name) == 0)
            st = ZM_FAIL(ZM_ERR_FORMAT, "%s: two tensors of the name %s", t->path,
                         sorted[i].name);
    }
    free(sorted);
    return st;
}

static const zm_pickle_value *find_state(const zm_torch_file *t)
{
    static const char *const members[] = {"model", "state_dict", "model_state_dict"};
    const zm_pickle_value *root = zm_pickle_at(t->pickle, zm_pickle_root(t->pickle));
    for (size_t i = 0; i < ZM_COUNT_OF(members); i++) {
        const zm_pickle_value *v = zm_pickle_get(t->pickle, root, members[i]);
        if (v && v->kind == ZM_PICKLE_DICT)
            return v;
    }
    return root;
}

static zm_status list_tensors(zm_torch_file *t)
{
    const zm_pickle_value *state = find_state(t);
    if (state->kind != ZM_PICKLE_DICT || state->size == 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: expected a dict of tensors, bare or as \"model\" or "
                       "\"state_dict\"",
                       t->path);
    uint64_t bytes = 1;
    for (uint32_t i = 0; i < state->size; i += 2)
        bytes += zm_pickle_at(t->pickle, state->items[i])->size + UINT64_C(1);
    t->tensors = zm_calloc(state->size / 2, sizeof *t->tensors);
    t->names = zm_calloc(bytes, 1);
    if (!t->tensors || !t->names)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", t->path);
    char *at = t->names;
    for (uint32_t i = 0; i < state->size; i += 2) {
        const char *name = copy_name(zm_pickle_at(t->pickle, state->items[i]), &at);
        if (!name)
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: the state dict has a key that is no name of a tensor",
                           t->path);
        ZM_TRY(add_tensor(t, name, zm_pickle_at(t->pickle, state->items[i + 1])));
    }
    return sort_names(t);
}

static zm_status open_archive(const char *label, zm_zip *zip, zm_torch_file **out)
{
    zm_torch_file *t = zm_calloc(1, sizeof *t);
    if (!t || !(t->path = zm_strdup(label))) {
        free(t);
        zm_zip_close(&zip);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", label);
    }
    t->zip = zip;
    zm_status st = find_prefix(t);
    if (st == ZM_OK)
        st = check_byteorder(t);
    if (st == ZM_OK)
        st = run_program(t);
    if (st == ZM_OK)
        st = list_tensors(t);
    if (st != ZM_OK)
        zm_torch_file_close(&t);
    *out = t;
    return st;
}

zm_status zm_torch_file_open(const char *path, zm_torch_file **out)
{
    zm_zip *zip = NULL;
    ZM_TRY(refuse_old(path));
    ZM_TRY(zm_zip_open(path, &zip));
    return open_archive(path, zip, out);
}

zm_status zm_torch_file_open_memory(const char *label, const uint8_t *data, uint64_t size,
                                    zm_torch_file **out)
{
    zm_zip *zip = NULL;
    ZM_TRY(zm_zip_open_memory(label, data, size, &zip));
    return open_archive(label, zip, out);
}

void zm_torch_file_close(zm_torch_file **file)
{
    zm_torch_file *t = *file;
    if (!t)
        return;
    zm_pickle_close(&t->pickle);
    zm_zip_close(&t->zip);
    free(t->program);
    free(t->tensors);
    free(t->by_name);
    free(t->names);
    free(t->meta);
    free(t->numbers);
    free(t->prefix);
    free(t->path);
    free(t);
    *file = NULL;
}

const char *zm_torch_file_path(const zm_torch_file *file)
{
    return file->path;
}

uint64_t zm_torch_file_count(const zm_torch_file *file)
{
    return file->count;
}

const zm_st_entry *zm_torch_file_at(const zm_torch_file *file, uint64_t i)
{
    return &file->tensors[i].entry;
}

const zm_st_entry *zm_torch_file_find(const zm_torch_file *file, const char *name)
{
    uint64_t low = 0, high = file->count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const zm_st_entry *e = &file->tensors[file->by_name[middle]].entry;
        const int order = strcmp(name, e->name);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *zm_torch_file_meta(zm_torch_file *file, const char *key)
{
    const zm_pickle_value *root =
        zm_pickle_at(file->pickle, zm_pickle_root(file->pickle));
    const zm_pickle_value *v = zm_pickle_get(file->pickle, root, key);
    if (!v || v->kind != ZM_PICKLE_STRING || memchr(v->text, 0, v->size))
        return NULL;
    free(file->meta);
    file->meta = zm_calloc((uint64_t)v->size + 1, 1);
    if (file->meta)
        memcpy(file->meta, v->text, v->size);
    return file->meta;
}

static zm_status load_storage(zm_torch_file *t, const zm_zip_entry *storage)
{
    if (t->loaded == storage)
        return ZM_OK;
    free(t->numbers);
    t->numbers = NULL;
    t->loaded = NULL;
    ZM_TRY(zm_zip_read(t->zip, storage, storage->size, &t->numbers));
    t->loaded = storage;
    return ZM_OK;
}

zm_status zm_torch_file_read_f32(zm_torch_file *file, const zm_st_entry *entry,
                                 float *out)
{
    const tensor *t = (const tensor *)(const void *)entry;
    if (!zm_st_is_real(entry->dtype))
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: tensor %s: expected F32, F16, BF16 or F64, found another dtype",
            file->path, entry->name);
    ZM_TRY(load_storage(file, t->storage));
    const uint32_t size = zm_st_type_of(entry->dtype)->size;
    uint64_t index[ZM_ST_MAX_RANK] = {0};
    uint64_t at = t->view.offset;
    for (uint64_t i = 0; i < entry->count; i++) {
        out[i] = zm_st_load_f32(entry->dtype, file->numbers + at * size);
        for (uint32_t d = entry->rank; d-- > 0;) { // the next place, row by row
            at += t->view.stride[d];
            if (++index[d] < entry->shape[d])
                break;
            at -= t->view.stride[d] * entry->shape[d];
            index[d] = 0;
        }
    }
    return ZM_OK;
}
