// The headers of a FITS file, checked before cfitsio sees the file: what is there, how
// large it claims to be, whether something in it is compressed.
#include "core/io/fits_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint64_t max_header_bytes = UINT64_C(16) << 20;
enum { MAX_HDUS = 10000, MAX_FIELDS = 999 };

// Where the bytes come from: memory or a file descriptor.
typedef struct fits_source {
    const char *label;
    const uint8_t *data; // or NULL
    int fd;
    uint64_t size;
} fits_source;

// What one header says, before it is known to make sense.
typedef struct raw_header {
    zm_fits_hdu hdu;
    int64_t bitpix, naxis, pcount, gcount, fields;
    int64_t axes[ZM_FITS_MAX_AXES];
    int64_t zbitpix, znaxis;
    int64_t zaxes[ZM_FITS_MAX_AXES];
    bool is_primary, groups, packed_image, packed_table;
    bool too_many_axes;
    char extension[ZM_FITS_TEXT];
} raw_header;

const char *zm_fits_kind_name(zm_fits_kind kind)
{
    static const char *const names[] = {"empty",       "image",         "binary table",
                                        "ASCII table", "random groups", "other"};
    return names[kind];
}

const char *zm_fits_packing(const uint8_t *data, uint64_t size)
{
    static const struct {
        const char *name;
        uint8_t magic[3];
        uint8_t length;
    } kinds[] = {{"gzip", {0x1f, 0x8b}, 2},
                 {"bzip2", {'B', 'Z', 'h'}, 3},
                 {"compress", {0x1f, 0x9d}, 2}};
    for (size_t i = 0; i < ZM_COUNT_OF(kinds); i++)
        if (size >= kinds[i].length && memcmp(data, kinds[i].magic, kinds[i].length) == 0)
            return kinds[i].name;
    return NULL;
}

uint64_t zm_fits_blocks(uint64_t size)
{
    return size / ZM_FITS_BLOCK + (size % ZM_FITS_BLOCK != 0);
}

bool zm_fits_is_fits(const uint8_t *data, uint64_t size)
{
    return zm_fits_packing(data, size) || (size >= 8 && memcmp(data, "SIMPLE  ", 8) == 0);
}

static bool source_read(const fits_source *source, uint64_t offset, uint8_t *out,
                        size_t size)
{
    if (offset > source->size || size > source->size - offset)
        return false;
    if (source->data) {
        memcpy(out, source->data + offset, size);
        return true;
    }
    while (size != 0) {
        const ssize_t n = pread(source->fd, out, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        out += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

static bool parse_integer(const char *value, int64_t *out)
{
    char *end;
    errno = 0;
    const long long v = strtoll(value, &end, 10);
    if (end == value || (*end != '\0' && *end != ' ' && *end != '.') || errno != 0)
        return false;
    *out = v;
    return true;
}

void zm_fits_unquote(const char *value, char out[ZM_FITS_TEXT])
{
    size_t n = 0;
    if (*value != '\'')
        return;
    for (value++; *value && n < ZM_FITS_TEXT - 1; value++) {
        if (*value == '\'' && *++value != '\'')
            break;
        out[n++] = *value;
    }
    while (n != 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

// Number behind a name such as NAXIS or ZNAXIS; 0 where there is none.
static long axis_number(const char *name, const char *stem)
{
    const size_t n = strlen(stem);
    if (strncmp(name, stem, n) != 0 || name[n] < '1' || name[n] > '9')
        return 0;
    return strtol(name + n, NULL, 10);
}

static bool read_axis(raw_header *raw, const char *name, const char *value)
{
    const long axis = axis_number(name, "NAXIS");
    const long zaxis = axis_number(name, "ZNAXIS");
    if (axis == 0 && zaxis == 0)
        return true;
    if (axis > ZM_FITS_MAX_AXES || zaxis > ZM_FITS_MAX_AXES) {
        raw->too_many_axes = true;
        return true;
    }
    return parse_integer(value, axis ? &raw->axes[axis - 1] : &raw->zaxes[zaxis - 1]);
}

// Takes over what one card says; false when a value that matters cannot be read.
static bool read_card(raw_header *raw, const char *name, const char *value)
{
    const struct {
        const char *name;
        int64_t *out;
    } integers[] = {{"BITPIX", &raw->bitpix},  {"NAXIS", &raw->naxis},
                    {"PCOUNT", &raw->pcount},  {"GCOUNT", &raw->gcount},
                    {"TFIELDS", &raw->fields}, {"ZBITPIX", &raw->zbitpix},
                    {"ZNAXIS", &raw->znaxis}};
    for (size_t i = 0; i < ZM_COUNT_OF(integers); i++)
        if (strcmp(name, integers[i].name) == 0)
            return parse_integer(value, integers[i].out);
    if (strcmp(name, "XTENSION") == 0)
        zm_fits_unquote(value, raw->extension);
    else if (strcmp(name, "EXTNAME") == 0)
        zm_fits_unquote(value, raw->hdu.name);
    else if (strcmp(name, "BUNIT") == 0)
        zm_fits_unquote(value, raw->hdu.unit);
    else if (strcmp(name, "ZCMPTYPE") == 0)
        zm_fits_unquote(value, raw->hdu.compression);
    else if (strcmp(name, "GROUPS") == 0)
        raw->groups = value[0] == 'T';
    else if (strcmp(name, "CHECKSUM") == 0 || strcmp(name, "DATASUM") == 0)
        raw->hdu.has_checksum = true;
    else
        return read_axis(raw, name, value);
    return true;
}

static zm_status read_cards(const char *label, uint32_t hdu, const uint8_t *header,
                            uint64_t size, raw_header *raw)
{
    for (uint64_t at = 0; at + ZM_FITS_CARD <= size; at += ZM_FITS_CARD) {
        char card[ZM_FITS_CARD + 1];
        char name[FLEN_KEYWORD];
        char value[FLEN_VALUE];
        char comment[FLEN_COMMENT];
        memcpy(card, header + at, ZM_FITS_CARD);
        for (int i = 0; i < ZM_FITS_CARD; i++)
            if (card[i] < 32 || card[i] > 126)
                card[i] = ' ';
        card[ZM_FITS_CARD] = '\0';
        // cfitsio also honours these behind HIERARCH and in odd columns
        raw->packed_image |= strstr(card, "ZIMAGE") != NULL;
        raw->packed_table |= strstr(card, "ZTABLE") != NULL;
        if (card[8] != '=')
            continue;
        int status = 0;
        snprintf(name, sizeof name, "%.8s", card);
        name[strcspn(name, " ")] = '\0';
        if (ffpsvc(card, value, comment, &status) != 0) {
            fits_clear_errmsg();
            continue;
        }
        if (!read_card(raw, name, value))
            return ZM_FAIL(ZM_ERR_FORMAT,
                           "%s: HDU %u: keyword %s: expected an integer, found %.20s",
                           label, (unsigned)hdu, name, value);
    }
    return ZM_OK;
}

// Bytes of data by the formula of the standard; false on overflow or negative values.
static bool data_size(const raw_header *raw, uint64_t *size)
{
    uint64_t n = raw->naxis == 0 ? 0 : 1;
    for (int64_t i = 0; i < raw->naxis; i++) {
        if (raw->axes[i] < 0)
            return false;
        if (!(i == 0 && raw->groups && raw->axes[0] == 0) &&
            !zm_mul_u64(n, (uint64_t)raw->axes[i], &n))
            return false;
    }
    if (raw->pcount < 0 || raw->gcount < 0)
        return false;
    const uint64_t bytes = (uint64_t)(raw->bitpix < 0 ? -raw->bitpix : raw->bitpix) / 8;
    return zm_add_u64(n, (uint64_t)raw->pcount, &n) &&
           zm_mul_u64(n, (uint64_t)raw->gcount, &n) && zm_mul_u64(n, bytes, size) &&
           *size < INT64_MAX - ZM_FITS_BLOCK;
}

static bool is_table(const raw_header *raw)
{
    return strcmp(raw->extension, "BINTABLE") == 0 ||
           strcmp(raw->extension, "A3DTABLE") == 0 ||
           strcmp(raw->extension, "TABLE") == 0;
}

// Where a mandatory card of a table is missing, cfitsio 4.2 goes on with values that it
// never set: the cards must stand in the order of the standard, in plain characters.
static bool is_card(const uint8_t *header, uint64_t size, uint64_t index,
                    const char *name)
{
    char start[10];
    const uint64_t at = index * ZM_FITS_CARD;
    if (at + ZM_FITS_CARD > size)
        return false;
    snprintf(start, sizeof start, "%-8.8s=", name);
    if (memcmp(header + at, start, 9) != 0)
        return false;
    for (uint64_t i = at; i < at + ZM_FITS_CARD; i++)
        if (header[i] < 32 || header[i] > 126)
            return false;
    return true;
}

static zm_status check_mandatory(const char *label, uint32_t index, const uint8_t *header,
                                 uint64_t size, const raw_header *raw)
{
    static const char *const of_table[] = {"PCOUNT", "GCOUNT", "TFIELDS"};
    char name[16];
    const char *missing = NULL;
    uint64_t at = 1;
    if (!is_card(header, size, at++, "BITPIX"))
        missing = "BITPIX";
    else if (!is_card(header, size, at++, "NAXIS"))
        missing = "NAXIS";
    for (int64_t i = 1; !missing && i <= ZM_MIN(raw->naxis, ZM_FITS_MAX_AXES); i++) {
        snprintf(name, sizeof name, "NAXIS%d", (int)i);
        missing = is_card(header, size, at++, name) ? NULL : name;
    }
    for (size_t i = 0; !missing && is_table(raw) && i < ZM_COUNT_OF(of_table); i++)
        missing = is_card(header, size, at++, of_table[i]) ? NULL : of_table[i];
    return missing ? ZM_FAIL(ZM_ERR_FORMAT,
                             "%s: HDU %u: expected the keyword %s in card %u, found none",
                             label, (unsigned)index, missing, (unsigned)at)
                   : ZM_OK;
}

static bool is_bitpix(int64_t v)
{
    return v == 8 || v == 16 || v == 32 || v == 64 || v == -32 || v == -64;
}

static zm_fits_kind kind_of(const raw_header *raw)
{
    if (raw->is_primary && raw->groups && raw->naxis > 0 && raw->axes[0] == 0)
        return ZM_FITS_GROUPS;
    if (strcmp(raw->extension, "BINTABLE") == 0 ||
        strcmp(raw->extension, "A3DTABLE") == 0)
        return raw->packed_image && raw->znaxis > 0 ? ZM_FITS_IMAGE : ZM_FITS_TABLE;
    if (strcmp(raw->extension, "TABLE") == 0)
        return ZM_FITS_ASCII;
    if (raw->is_primary || strcmp(raw->extension, "IMAGE") == 0)
        return raw->naxis == 0 || raw->hdu.data_size == 0 ? ZM_FITS_EMPTY : ZM_FITS_IMAGE;
    return ZM_FITS_OTHER;
}

static zm_status check_header(const char *label, uint32_t index, uint64_t file_size,
                              raw_header *raw)
{
    zm_fits_hdu *hdu = &raw->hdu;
    if (!is_bitpix(raw->bitpix))
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: HDU %u: expected BITPIX 8, 16, 32, 64, -32 or -64, found %" PRId64,
            label, (unsigned)index, raw->bitpix);
    if (raw->naxis < 0 || raw->naxis > ZM_FITS_MAX_AXES || raw->too_many_axes)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: expected NAXIS 0 to %d, found %" PRId64, label,
                       (unsigned)index, ZM_FITS_MAX_AXES, raw->naxis);
    if (!data_size(raw, &hdu->data_size))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: its axes are negative or overflow 64 bits", label,
                       (unsigned)index);
    hdu->truncated =
        hdu->data_offset > file_size || hdu->data_size > file_size - hdu->data_offset;
    hdu->kind = kind_of(raw);
    const bool table = hdu->kind == ZM_FITS_TABLE || hdu->kind == ZM_FITS_ASCII;
    const bool packed = hdu->kind == ZM_FITS_IMAGE && raw->packed_image &&
                        raw->znaxis > 0 && raw->znaxis <= ZM_FITS_MAX_AXES;
    if (is_table(raw) && (raw->naxis != 2 || raw->bitpix != 8 || raw->fields < 0 ||
                          raw->fields > MAX_FIELDS))
        return ZM_FAIL(
            ZM_ERR_FORMAT,
            "%s: HDU %u: expected a table of bytes with 2 axes and at most %d "
            "columns, found BITPIX %" PRId64 ", %" PRId64 " axes, %" PRId64 " columns",
            label, (unsigned)index, MAX_FIELDS, raw->bitpix, raw->naxis, raw->fields);
    if (table) {
        hdu->row_size = (uint64_t)raw->axes[0];
        hdu->rows = (uint64_t)raw->axes[1];
        hdu->columns = (uint64_t)raw->fields;
    }
    if (!raw->packed_image && !raw->packed_table)
        hdu->compression[0] = '\0';
    else if (hdu->compression[0] == '\0')
        snprintf(hdu->compression, sizeof hdu->compression, "unknown");
    hdu->bitpix = (int)(packed && is_bitpix(raw->zbitpix) ? raw->zbitpix : raw->bitpix);
    hdu->naxis = (uint32_t)(packed ? raw->znaxis : raw->naxis);
    for (uint32_t i = 0; i < hdu->naxis; i++) {
        const int64_t axis = packed ? raw->zaxes[i] : raw->axes[i];
        hdu->axes[i] = axis < 0 ? 0 : (uint64_t)axis;
    }
    return ZM_OK;
}

// Reads blocks until the one with END; *size is a multiple of the block.
static zm_status load_header(const fits_source *source, uint32_t index, uint64_t offset,
                             uint8_t **out, uint64_t *size)
{
    uint8_t *header = NULL;
    uint64_t capacity = 0;
    for (uint64_t used = 0; used < max_header_bytes; used += ZM_FITS_BLOCK) {
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 4 * ZM_FITS_BLOCK;
            uint8_t *grown = realloc(header, (size_t)capacity);
            if (!grown) {
                free(header);
                return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for a header",
                               source->label);
            }
            header = grown;
        }
        if (!source_read(source, offset + used, header + used, ZM_FITS_BLOCK))
            break;
        for (int at = 0; at < ZM_FITS_BLOCK; at += ZM_FITS_CARD) {
            if (memcmp(header + used + at, "END     ", 8) == 0) {
                *out = header;
                *size = used + ZM_FITS_BLOCK;
                return ZM_OK;
            }
        }
    }
    free(header);
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: expected an END card, found none",
                   source->label, (unsigned)index);
}

static zm_status scan_hdu(const fits_source *source, uint32_t index, uint64_t offset,
                          raw_header *raw)
{
    uint8_t *header = NULL;
    uint64_t size = 0;
    *raw = (raw_header){
        .is_primary = index == 0, .gcount = 1, .bitpix = -1, .naxis = -1, .fields = -1};
    ZM_TRY(load_header(source, index, offset, &header, &size));
    zm_status st = read_cards(source->label, index, header, size, raw);
    if (st == ZM_OK)
        st = check_mandatory(source->label, index, header, size, raw);
    free(header);
    raw->hdu.header_offset = offset;
    raw->hdu.data_offset = offset + size;
    if (st == ZM_OK)
        st = check_header(source->label, index, source->size, raw);
    return st;
}

static zm_status add_hdu(const char *label, const raw_header *raw, uint32_t *capacity,
                         zm_fits_list *list)
{
    if (list->count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        zm_fits_hdu *hdus = realloc(list->hdus, *capacity * sizeof *hdus);
        if (!hdus)
            return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory for its headers", label);
        list->hdus = hdus;
    }
    list->compressed |= raw->packed_image || raw->packed_table;
    list->hdus[list->count++] = raw->hdu;
    return ZM_OK;
}

static zm_status scan(const fits_source *source, zm_fits_list *out)
{
    zm_fits_list list = {0};
    uint32_t capacity = 0;
    uint64_t offset = 0;
    uint8_t start[8];
    if (!source_read(source, 0, start, sizeof start) || memcmp(start, "SIMPLE  ", 8) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected a FITS file (SIMPLE = T), found none",
                       source->label);
    while (list.count < MAX_HDUS) {
        raw_header raw;
        zm_status st = scan_hdu(source, list.count, offset, &raw);
        if (st == ZM_ERR_FORMAT && list.count != 0) { // what stands before it is usable
            const char *detail = strstr(zm_error_detail(), "HDU ");
            snprintf(list.note, sizeof list.note, "%s", detail ? detail : "bad header");
            break;
        }
        if (st == ZM_OK)
            st = add_hdu(source->label, &raw, &capacity, &list);
        if (st != ZM_OK) {
            zm_fits_list_finish(&list);
            return st;
        }
        offset = raw.hdu.data_offset + zm_fits_blocks(raw.hdu.data_size) * ZM_FITS_BLOCK;
        if (!source_read(source, offset, start, sizeof start) ||
            memcmp(start, "XTENSION", 8) != 0)
            break;
    }
    *out = list;
    return ZM_OK;
}

zm_status zm_fits_scan(const char *label, const uint8_t *data, uint64_t size,
                       zm_fits_list *out)
{
    const fits_source source = {.label = label, .data = data, .fd = -1, .size = size};
    return scan(&source, out);
}

zm_status zm_fits_scan_fd(const char *label, int fd, uint64_t size, zm_fits_list *out)
{
    const fits_source source = {.label = label, .fd = fd, .size = size};
    return scan(&source, out);
}

void zm_fits_list_finish(zm_fits_list *list)
{
    free(list->hdus);
    *list = (zm_fits_list){0};
}
