#define _XOPEN_SOURCE 700 // realpath

// The child that decodes one compressed FITS file: "zmae --fits-helper FILE" writes
// zm_fits_reply, the plain file and its XXH64 to standard output. It lives under limits
// of memory and time, so that a damaged or malicious file costs the parent an error.
#include "core/io/fits_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNLIMITED_MEMORY
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNLIMITED_MEMORY // its shadow is terabytes of address space
#endif

enum { GROWTH_BYTES = 1 << 18 };

static void set_limit(int what, uint64_t value)
{
    const struct rlimit limit = {(rlim_t)value, (rlim_t)value};
    setrlimit(what, &limit);
}

static void limit_process(uint64_t file_size)
{
    const uint64_t cpu_s = zm_fits_cpu_limit_s(file_size);
    signal(SIGXFSZ, SIG_IGN);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_FSIZE, 0); // decoding creates no file
    set_limit(RLIMIT_CPU, cpu_s);
#ifndef UNLIMITED_MEMORY
    // packed, unpacked and decoded copies, while they grow, and the program itself
    set_limit(RLIMIT_AS, (UINT64_C(512) << 20) + 4 * zm_fits_decoded_limit(file_size));
#endif
}

static zm_status cfitsio_failure(const char *path, int hdu, int status)
{
    char text[FLEN_ERRMSG];
    return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %d: damaged compressed FITS: %s", path,
                   hdu - 1, zm_fits_message(status, text));
}

static LONGLONG integer_key(fitsfile *f, const char *key)
{
    LONGLONG value = 0;
    int status = 0;
    fits_read_key_lnglng(f, key, &value, NULL, &status);
    fits_clear_errmsg();
    return status == 0 ? value : 0;
}

// Bytes that the decoded HDU will have; false where the header makes no sense.
static bool decoded_size(fitsfile *f, bool table, uint64_t *size)
{
    uint64_t n = 1;
    const int64_t axes = table ? 2 : integer_key(f, "ZNAXIS");
    if (axes < 0 || axes > ZM_FITS_MAX_AXES)
        return false;
    for (int i = 1; i <= (int)axes; i++) {
        char key[FLEN_KEYWORD];
        snprintf(key, sizeof key, "ZNAXIS%d", i);
        const LONGLONG axis = integer_key(f, key);
        if (axis < 0 || !zm_mul_u64(n, (uint64_t)axis, &n))
            return false;
    }
    const LONGLONG heap = table ? integer_key(f, "ZPCOUNT") : 0;
    const LONGLONG bits = table ? 8 : integer_key(f, "ZBITPIX");
    const bool is_double = bits == 32 || bits == 64 || bits == -64;
    const uint64_t bytes = table ? 1 : is_double ? sizeof(double) : sizeof(float);
    return heap >= 0 && zm_mul_u64(n, bytes, &n) && zm_add_u64(n, (uint64_t)heap, size);
}

static bool is_packed_table(fitsfile *f)
{
    int packed = 0;
    int status = 0;
    fits_read_key_log(f, "ZTABLE", &packed, NULL, &status);
    fits_clear_errmsg();
    return status == 0 && packed;
}

// Cards that describe the image itself go with it; those of its storage do not.
static void copy_cards(fitsfile *in, fitsfile *out)
{
    int status = 0;
    int cards = 0;
    fits_get_hdrspace(in, &cards, NULL, &status);
    for (int i = 1; status == 0 && i <= cards; i++) {
        char card[FLEN_CARD];
        if (fits_read_record(in, i, card, &status) != 0)
            break;
        const int type = fits_get_keyclass(card);
        const bool column = type == TYP_UNIT_KEY && card[0] == 'T';
        if (type >= TYP_UNIT_KEY && !column && type != TYP_CKSUM_KEY)
            fits_write_record(out, card, &status);
    }
    fits_clear_errmsg();
}

// fits_img_decompress stumbles over files of other writers and renumbers HDUs: pixels go
// out as floating point, double where float would lose digits.
static int decode_image(fitsfile *in, fitsfile *out)
{
    int status = 0;
    int any = 0;
    int bitpix = 0;
    int naxis = 0;
    LONGLONG axes[ZM_FITS_MAX_AXES] = {0};
    uint64_t pixels = 1;
    fits_get_img_paramll(in, ZM_FITS_MAX_AXES, &bitpix, &naxis, axes, &status);
    if (status == 0 && (naxis < 1 || naxis > ZM_FITS_MAX_AXES))
        status = BAD_NAXIS;
    for (int i = 0; status == 0 && i < naxis; i++)
        if (axes[i] < 1 || !zm_mul_u64(pixels, (uint64_t)axes[i], &pixels))
            status = BAD_NAXES;
    if (status != 0)
        return status;
    const bool is_double =
        bitpix == LONG_IMG || bitpix == LONGLONG_IMG || bitpix == DOUBLE_IMG;
    const int type = is_double ? TDOUBLE : TFLOAT;
    double undefined_double = (double)NAN;
    float undefined_float = NAN;
    void *undefined = is_double ? (void *)&undefined_double : (void *)&undefined_float;
    void *data = zm_calloc(pixels, is_double ? sizeof(double) : sizeof(float));
    if (!data)
        return MEMORY_ALLOCATION;
    fits_read_img(in, type, 1, (LONGLONG)pixels, undefined, data, &any, &status);
    fits_create_imgll(out, is_double ? DOUBLE_IMG : FLOAT_IMG, naxis, axes, &status);
    if (status == 0)
        copy_cards(in, out);
    fits_write_img(out, type, 1, (LONGLONG)pixels, data, &status);
    free(data);
    return status;
}

// The sums of the stored table say nothing about the decoded one.
static void drop_checksum(fitsfile *f)
{
    static const char *const keys[] = {"CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM"};
    for (size_t i = 0; i < ZM_COUNT_OF(keys); i++) {
        int status = 0;
        fits_delete_key(f, keys[i], &status);
    }
    fits_clear_errmsg();
}

static zm_status decode_hdu(const char *path, fitsfile *in, fitsfile *out, int hdu,
                            uint64_t limit, uint64_t *total)
{
    int status = 0;
    int data_ok = 0;
    int hdu_ok = 0;
    uint64_t size = 0;
    fits_movabs_hdu(in, hdu, NULL, &status);
    if (status != 0)
        return cfitsio_failure(path, hdu, status);
    const bool image = fits_is_compressed_image(in, &status) != 0;
    const bool table = !image && is_packed_table(in);
    if (!image && !table) {
        fits_copy_hdu(in, out, 0, &status);
        return status ? cfitsio_failure(path, hdu, status) : ZM_OK;
    }
    if (!decoded_size(in, table, &size) || !zm_add_u64(*total, size, total) ||
        *total > limit)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %d: expands beyond %" PRIu64 " MiB, refused", path,
                       hdu - 1, limit >> 20);
    fits_verify_chksum(in, &data_ok, &hdu_ok, &status);
    if (status == 0 && (data_ok < 0 || hdu_ok < 0))
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %d: %s does not fit the contents (damaged file?)", path,
                       hdu - 1, data_ok < 0 ? "DATASUM" : "CHECKSUM");
    if (image)
        status = decode_image(in, out);
    else
        fits_uncompress_table(in, out, &status);
    if (status != 0)
        return cfitsio_failure(path, hdu, status);
    if (table)
        drop_checksum(out);
    return ZM_OK;
}

// Copies every HDU of in to a plain file in memory.
static zm_status decode_all(const char *path, fitsfile *in, uint64_t limit, uint8_t **out,
                            uint64_t *size)
{
    int status = 0;
    int hdus = 0;
    LONGLONG end = 0;
    uint64_t total = 0;
    fitsfile *f = NULL;
    void *memory = malloc(ZM_FITS_BLOCK);
    size_t memory_size = ZM_FITS_BLOCK;
    zm_status st = ZM_OK;
    if (!memory)
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to decode it", path);
    fits_get_num_hdus(in, &hdus, &status);
    fits_create_memfile(&f, &memory, &memory_size, GROWTH_BYTES, realloc, &status);
    if (status != 0)
        st = cfitsio_failure(path, 1, status);
    for (int hdu = 1; st == ZM_OK && hdu <= hdus; hdu++)
        st = decode_hdu(path, in, f, hdu, limit, &total);
    ZM_TRY(st); // the process ends: nothing to release
    fits_set_hdustruc(f, &status);
    fits_get_hduaddrll(f, NULL, NULL, &end, &status);
    fits_close_file(f, &status);
    if (status != 0)
        return cfitsio_failure(path, hdus, status);
    if (end <= 0 || (uint64_t)end > memory_size)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: decoded to nothing", path);
    if ((uint64_t)end > limit)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expands beyond %" PRIu64 " MiB, refused", path,
                       limit >> 20);
    *out = memory;
    *size = (uint64_t)end;
    return ZM_OK;
}

static zm_status decode_file(const char *path, uint64_t file_size, uint8_t **out,
                             uint64_t *size)
{
    zm_fits_list list = {0};
    fitsfile *in = NULL;
    int status = 0;
    uint8_t *data = NULL;
    uint64_t data_size = 0;
    const uint64_t limit = zm_fits_decoded_limit(file_size);
    ZM_TRY(zm_fits_unpack(path, limit, &data, &data_size));
    if (data) {
        ZM_TRY(zm_fits_scan(path, data, data_size, &list));
        if (!list.compressed) {
            *out = data;
            *size = data_size;
            return ZM_OK;
        }
        void *memory = data;
        size_t memory_size = (size_t)(zm_fits_blocks(data_size) * ZM_FITS_BLOCK);
        fits_open_memfile(&in, "packed.fits", READONLY, &memory, &memory_size, 0, NULL,
                          &status);
        return status ? cfitsio_failure(path, 1, status)
                      : decode_all(path, in, limit, out, size);
    }
    fits_open_diskfile(&in, path, READONLY, &status);
    return status ? cfitsio_failure(path, 1, status)
                  : decode_all(path, in, limit, out, size);
}

static bool send_bytes(const void *data, uint64_t size)
{
    return fwrite(data, 1, (size_t)size, stdout) == size;
}

static bool send_reply(uint32_t status, const void *payload, uint64_t size)
{
    const zm_fits_reply head = {ZM_FITS_REPLY_MAGIC, status != ZM_OK, status, size};
    const uint64_t sum = XXH64(payload, (size_t)size, 0);
    return send_bytes(&head, sizeof head) && send_bytes(payload, size) &&
           send_bytes(&sum, sizeof sum) && fflush(stdout) == 0;
}

int zm_fits_helper_main(int argc, char **argv)
{
    struct stat info;
    if (argc != 3 || isatty(STDOUT_FILENO)) {
        fputs("zmae --fits-helper FILE writes to a pipe; zmae itself calls it\n", stderr);
        return 2;
    }
    char *path = realpath(argv[2], NULL);
    uint8_t *data = NULL;
    uint64_t size = 0;
    zm_status st;
    if (!path || stat(path, &info) != 0 || strlen(path) >= FLEN_FILENAME - 1) {
        st = ZM_FAIL(ZM_ERR_IO, "cannot open it: %s", strerror(errno));
    } else {
        limit_process((uint64_t)info.st_size);
        st = decode_file(path, (uint64_t)info.st_size, &data, &size);
    }
    const char *message = zm_error_detail();
    const size_t prefix = path ? strlen(path) + 2 : 0;
    if (path && strlen(message) > prefix && strncmp(message, path, prefix - 2) == 0)
        message += prefix; // the parent names the file as its caller did
    const bool sent = st == ZM_OK ? send_reply(ZM_OK, data, size)
                                  : send_reply((uint32_t)st, message, strlen(message));
    fflush(stdout);
    _exit(sent ? 0 : 8); // no destructors: the heap may be damaged
}
