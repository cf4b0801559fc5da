// FITS files through cfitsio: images, binary tables, a description HDU by HDU, and
// writing of binary tables. Compressed files (gzip, bzip2, compress, tile-compressed
// images and tables, all recognised by content) are decoded in a child process, because
// cfitsio crashes on damaged ones. Everything read is untrusted. HDUs count from 0.
#ifndef ZM_FITS_H
#define ZM_FITS_H

#include "core/base.h"

enum {
    ZM_FITS_MAX_AXES = 8,
    ZM_FITS_TEXT = 72, // bytes of a string value with its NUL
};

typedef enum zm_fits_kind {
    ZM_FITS_EMPTY,  // a header without data
    ZM_FITS_IMAGE,  // also a tile-compressed one
    ZM_FITS_TABLE,  // binary table
    ZM_FITS_ASCII,  // ASCII table
    ZM_FITS_GROUPS, // random groups
    ZM_FITS_OTHER,  // unknown extension
} zm_fits_kind;
const char *zm_fits_kind_name(zm_fits_kind kind);

typedef struct zm_fits_hdu {
    zm_fits_kind kind;
    char name[ZM_FITS_TEXT];         // EXTNAME
    char unit[ZM_FITS_TEXT];         // BUNIT
    char compression[ZM_FITS_TEXT];  // ZCMPTYPE such as RICE_1; "" = not compressed
    int bitpix;                      // of the image, ZBITPIX where compressed
    uint32_t naxis;                  // of the image, ZNAXIS where compressed
    uint64_t axes[ZM_FITS_MAX_AXES]; // NAXIS1 first
    uint64_t rows, columns;          // of a table
    uint64_t row_size;               // bytes
    uint64_t header_offset, data_offset, data_size; // bytes, as stored
    bool has_checksum;
    bool truncated; // the file ends before the data do
} zm_fits_hdu;

typedef struct zm_fits_list {
    zm_fits_hdu *hdus;
    uint32_t count;
    bool compressed;  // some HDU has to be decoded by the helper
    char note[160];   // why the list ends early, "" when it does not
    const char *pack; // "gzip", "bzip2", "compress" for the whole file, or NULL
} zm_fits_list;

// Lists the HDUs of a file from its headers; no pixel is decoded (a file that is packed
// as a whole is unpacked by the helper). Frees with zm_fits_list_finish.
zm_status zm_fits_describe(const char *path, const char *helper, zm_fits_list *out);
void zm_fits_list_finish(zm_fits_list *list);

// The same from memory: the pure function behind all reading, fuzzed by itself.
zm_status zm_fits_scan(const char *label, const uint8_t *data, uint64_t size,
                       zm_fits_list *out);

// True where a file is FITS, packed or not, by its first bytes (8 are enough).
bool zm_fits_is_fits(const uint8_t *data, uint64_t size);
const char *zm_fits_packing(const uint8_t *data, uint64_t size); // as zm_fits_list.pack

// An open file. Calls on one zm_fits must not overlap.
//   helper   path of the zmae executable ("HELPER --fits-helper FILE" decodes);
//            NULL: compressed FITS is refused
// Errors: ZM_ERR_IO, ZM_ERR_FORMAT (not FITS, damaged, decoder died), ZM_ERR_MEMORY.
typedef struct zm_fits zm_fits;
zm_status zm_fits_open(const char *path, const char *helper, zm_fits **out);
void zm_fits_close(zm_fits **fits);
const zm_fits_list *zm_fits_hdus(const zm_fits *fits);
const char *zm_fits_path(const zm_fits *fits);

// Moves to an HDU and verifies its CHECKSUM and DATASUM where present (ZM_ERR_FORMAT).
zm_status zm_fits_verify(zm_fits *fits, uint32_t hdu);

// First HDU with an image of at least two axes, or first binary table of that EXTNAME
// (any case; NULL = any name); -1 where there is none.
int32_t zm_fits_find_image(const zm_fits *fits);
int32_t zm_fits_find_table(const zm_fits *fits, const char *name);

// An image with its header. BSCALE, BZERO and integer types are applied; BLANK and
// other undefined pixels are NaN.
typedef struct zm_fits_image {
    uint32_t hdu;
    uint32_t naxis; // axes beyond the first that have length 1 at the end do not count
    uint32_t width, height, depth;
    float *data; // (depth, height, width)
    char unit[ZM_FITS_TEXT];
    char *header; // all cards, 80 characters each, one string: what WCS code takes
} zm_fits_image;

// Reads an image: of an open file, or of a path.
//   hdu   which, -1 = the first
// Errors name the HDU: no image, more than 3 axes, more than max_pixels [2^28 where 0],
// truncated, wrong checksum.
zm_status zm_fits_image_load(zm_fits *fits, int32_t hdu, uint64_t max_pixels,
                             zm_fits_image **out);
zm_status zm_fits_image_read(const char *path, const char *helper, int32_t hdu,
                             zm_fits_image **out);
void zm_fits_image_destroy(zm_fits_image **image);

// Value of a keyword of a header string; false where it is absent or of another type.
bool zm_fits_key_f64(const char *header, const char *key, double *out);
bool zm_fits_key_bool(const char *header, const char *key); // false where absent
bool zm_fits_key_string(const char *header, const char *key, char out[ZM_FITS_TEXT]);

// All cards of an HDU as one string; the caller frees it.
zm_status zm_fits_header(zm_fits *fits, uint32_t hdu, char **out);

// A column of a binary or ASCII table.
typedef struct zm_fits_column {
    uint32_t hdu;
    int number;      // from 1; 0 = the table has no such column
    bool is_integer; // no floating point, no scaling
    bool is_text;
    bool is_f32;
    uint64_t repeat; // elements in a row
    uint64_t rows;
    uint32_t naxis; // TDIM, else 1
    uint64_t axes[ZM_FITS_MAX_AXES];
    char name[ZM_FITS_TEXT];
    char unit[ZM_FITS_TEXT];
} zm_fits_column;

// Finds a column by name in any case; an absent one is no error (number = 0).
zm_status zm_fits_column_find(zm_fits *fits, uint32_t hdu, const char *name,
                              zm_fits_column *out);

// Reads rows [first, first + rows) of a column, (rows, repeat) values. Undefined values
// are NaN; in integers they are `missing`.
zm_status zm_fits_column_f32(zm_fits *fits, const zm_fits_column *column, uint64_t first,
                             uint64_t rows, float *out);
zm_status zm_fits_column_f64(zm_fits *fits, const zm_fits_column *column, uint64_t first,
                             uint64_t rows, double *out);
zm_status zm_fits_column_i64(zm_fits *fits, const zm_fits_column *column, uint64_t first,
                             uint64_t rows, int64_t missing, int64_t *out);

// Text of one cell without blanks at its end, at most size - 1 bytes of it, printable.
zm_status zm_fits_column_text(zm_fits *fits, const zm_fits_column *column, uint64_t row,
                              size_t size, char *out);

// Writing binary tables, each of known length, behind an empty primary HDU. The file
// appears under its name only in finish, with CHECKSUM and DATASUM, and holds no time.
typedef struct zm_fits_field {
    const char *name;
    const char *form; // TFORM: "K" int64, "J" int32, "E" float, "D" double, "5E", "16A"
    const char *unit; // or NULL
    const char *dim;  // TDIM "(64,64,5)" or NULL
} zm_fits_field;
typedef struct zm_fits_writer zm_fits_writer;
zm_status zm_fits_writer_create(const char *path, const char *extname, uint64_t rows,
                                const zm_fits_field *fields, uint32_t field_count,
                                zm_fits_writer **out);

// Ends the table, of which every row must have been written, and begins another one;
// keys and cells are the new table's from here on.
zm_status zm_fits_writer_table(zm_fits_writer *w, const char *extname, uint64_t rows,
                               const zm_fits_field *fields, uint32_t field_count);
zm_status zm_fits_writer_string(zm_fits_writer *w, const char *key, const char *value,
                                const char *comment);
zm_status zm_fits_writer_f64(zm_fits_writer *w, const char *key, double value,
                             const char *comment);
zm_status zm_fits_writer_u64(zm_fits_writer *w, const char *key, uint64_t value,
                             const char *comment); // at most INT64_MAX
zm_status zm_fits_writer_bool(zm_fits_writer *w, const char *key, bool value,
                              const char *comment);
zm_status zm_fits_writer_history(zm_fits_writer *w, const char *text);

// Writes rows [first, first + rows) of a field (counted from 0).
//   data   (rows, repeat) of the C type of the field; "nA": (rows) of const char *
zm_status zm_fits_writer_cells(zm_fits_writer *w, uint32_t field, uint64_t first,
                               uint64_t rows, const void *data);
zm_status zm_fits_writer_finish(zm_fits_writer **w); // sets *w to NULL, also on failure
void zm_fits_writer_abort(zm_fits_writer **w);

// What the command line runs when argv[1] is "--fits-helper": decodes argv[2] and writes
// the plain FITS file to standard output. Returns the exit status; see fits_helper.c.
int zm_fits_helper_main(int argc, char **argv);

#endif
