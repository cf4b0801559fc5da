#define _XOPEN_SOURCE 700 // realpath

#include "core/io/fits_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

void zm_fits_printable(char *text)
{
    for (; *text; text++)
        if (*text < 32 || *text > 126)
            *text = '?';
}

const char *zm_fits_message(int status, char out[FLEN_ERRMSG])
{
    char text[FLEN_STATUS];
    fits_get_errstatus(status, text);
    if (!fits_read_errmsg(out) || out[0] == '\0')
        snprintf(out, FLEN_ERRMSG, "%s", text);
    fits_clear_errmsg();
    zm_fits_printable(out);
    return out;
}

// What a file is before anything is decoded.
typedef struct fits_probe {
    uint64_t size;
    const char *pack;
    zm_fits_list list; // empty when packed
} fits_probe;

static zm_status probe_fd(const char *path, int fd, fits_probe *probe)
{
    struct stat info;
    uint8_t start[8] = {0};
    if (fstat(fd, &info) != 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return ZM_FAIL(ZM_ERR_IO, "%s: not a regular file", path);
    probe->size = (uint64_t)info.st_size;
    const ssize_t n = pread(fd, start, sizeof start, 0);
    if (n < 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    probe->pack = zm_fits_packing(start, (uint64_t)n);
    return probe->pack ? ZM_OK : zm_fits_scan_fd(path, fd, probe->size, &probe->list);
}

static zm_status probe_file(const char *path, fits_probe *probe)
{
    *probe = (fits_probe){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", path, strerror(errno));
    const zm_status st = probe_fd(path, fd, probe);
    close(fd);
    return st;
}

zm_status zm_fits_describe(const char *path, const char *helper, zm_fits_list *out)
{
    fits_probe probe;
    ZM_TRY(probe_file(path, &probe));
    if (probe.pack) {
        uint8_t *data = NULL;
        uint64_t size = 0;
        ZM_TRY(zm_fits_decode(path, helper, probe.size, &data, &size));
        const zm_status st = zm_fits_scan(path, data, size, &probe.list);
        free(data);
        ZM_TRY(st);
        probe.list.pack = probe.pack;
    }
    *out = probe.list;
    return ZM_OK;
}

static zm_status open_decoded(zm_fits *fits, const char *helper, uint64_t file_size)
{
    uint8_t *data = NULL;
    uint64_t size = 0;
    ZM_TRY(zm_fits_decode(fits->path, helper, file_size, &data, &size));
    fits->memory = data;
    fits->memory_size = (size_t)(zm_fits_blocks(size) * ZM_FITS_BLOCK);
    zm_fits_list_finish(&fits->list);
    ZM_TRY(zm_fits_scan(fits->path, data, size, &fits->list));
    int status = 0;
    char text[FLEN_ERRMSG];
    if (fits_open_memfile(&fits->f, "decoded.fits", READONLY, &fits->memory,
                          &fits->memory_size, 0, NULL, &status) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: %s", fits->path,
                       zm_fits_message(status, text));
    return ZM_OK;
}

static zm_status open_plain(zm_fits *fits)
{
    // An absolute name keeps cfitsio from reading "~" or "!" at its start.
    char *absolute = realpath(fits->path, NULL);
    if (!absolute)
        return ZM_FAIL(ZM_ERR_IO, "%s: %s", fits->path, strerror(errno));
    zm_status st = ZM_OK;
    int status = 0;
    char text[FLEN_ERRMSG];
    if (strlen(absolute) >= FLEN_FILENAME - 1)
        st = ZM_FAIL(ZM_ERR_IO, "%s: name longer than cfitsio's %d bytes", fits->path,
                     FLEN_FILENAME - 2);
    else if (fits_open_diskfile(&fits->f, absolute, READONLY, &status) != 0)
        st = ZM_FAIL(ZM_ERR_FORMAT, "%s: %s", fits->path, zm_fits_message(status, text));
    free(absolute);
    return st;
}

zm_status zm_fits_open(const char *path, const char *helper, zm_fits **out)
{
    fits_probe probe;
    ZM_TRY(probe_file(path, &probe));
    zm_fits *fits = calloc(1, sizeof *fits);
    if (!fits || !(fits->path = zm_strdup(path))) {
        zm_fits_list_finish(&probe.list);
        free(fits);
        return ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory to open it", path);
    }
    fits->list = probe.list;
    const bool decode = probe.pack || probe.list.compressed;
    const zm_status st =
        decode ? open_decoded(fits, helper, probe.size) : open_plain(fits);
    if (st != ZM_OK) {
        zm_fits_close(&fits);
        return st;
    }
    fits->list.pack = probe.pack;
    *out = fits;
    return ZM_OK;
}

void zm_fits_close(zm_fits **fits)
{
    if (!*fits)
        return;
    int status = 0;
    if ((*fits)->f)
        fits_close_file((*fits)->f, &status);
    if (status != 0)
        fits_clear_errmsg();
    free((*fits)->memory);
    free((*fits)->path);
    zm_fits_list_finish(&(*fits)->list);
    free(*fits);
    *fits = NULL;
}

const zm_fits_list *zm_fits_hdus(const zm_fits *fits)
{
    return &fits->list;
}

const char *zm_fits_path(const zm_fits *fits)
{
    return fits->path;
}

// Moves cfitsio to an HDU and makes sure that it sees nothing compressed there.
static zm_status move_to(zm_fits *fits, uint32_t hdu)
{
    int status = 0;
    char text[FLEN_ERRMSG];
    if (hdu >= fits->list.count)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: expected an HDU %u, found %u HDUs%s%s",
                       fits->path, (unsigned)hdu, (unsigned)fits->list.count,
                       fits->list.note[0] ? "; " : "", fits->list.note);
    if (fits_movabs_hdu(fits->f, (int)hdu + 1, NULL, &status) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: %s", fits->path, (unsigned)hdu,
                       zm_fits_message(status, text));
    if (fits_is_compressed_image(fits->f, &status))
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: compressed in an unknown way",
                       fits->path, (unsigned)hdu);
    if (fits->list.hdus[hdu].truncated)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: expected %" PRIu64
                       " bytes of data, found fewer (truncated)",
                       fits->path, (unsigned)hdu, fits->list.hdus[hdu].data_size);
    return ZM_OK;
}

zm_status zm_fits_verify(zm_fits *fits, uint32_t hdu)
{
    ZM_TRY(move_to(fits, hdu));
    if (!fits->list.hdus[hdu].has_checksum)
        return ZM_OK;
    int status = 0;
    int data_ok = 0;
    int hdu_ok = 0;
    char text[FLEN_ERRMSG];
    if (fits_verify_chksum(fits->f, &data_ok, &hdu_ok, &status) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: %s", fits->path, (unsigned)hdu,
                       zm_fits_message(status, text));
    if (data_ok < 0 || hdu_ok < 0)
        return ZM_FAIL(ZM_ERR_FORMAT,
                       "%s: HDU %u: %s does not fit the contents (damaged file?)",
                       fits->path, (unsigned)hdu, data_ok < 0 ? "DATASUM" : "CHECKSUM");
    return ZM_OK;
}

int32_t zm_fits_find_image(const zm_fits *fits)
{
    for (uint32_t i = 0; i < fits->list.count; i++)
        if (fits->list.hdus[i].kind == ZM_FITS_IMAGE && fits->list.hdus[i].naxis >= 2)
            return (int32_t)i;
    return -1;
}

int32_t zm_fits_find_table(const zm_fits *fits, const char *name)
{
    for (uint32_t i = 0; i < fits->list.count; i++) {
        const zm_fits_hdu *hdu = &fits->list.hdus[i];
        if (hdu->kind == ZM_FITS_TABLE && (!name || strcasecmp(hdu->name, name) == 0))
            return (int32_t)i;
    }
    return -1;
}

zm_status zm_fits_header(zm_fits *fits, uint32_t hdu, char **out)
{
    ZM_TRY(move_to(fits, hdu));
    int status = 0;
    int keys = 0;
    char *header = NULL;
    char text[FLEN_ERRMSG];
    if (fits_hdr2str(fits->f, 0, NULL, 0, &header, &keys, &status) != 0)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: HDU %u: %s", fits->path, (unsigned)hdu,
                       zm_fits_message(status, text));
    *out = zm_strdup(header);
    fits_free_memory(header, &status);
    return *out ? ZM_OK : ZM_FAIL(ZM_ERR_MEMORY, "%s: no memory", fits->path);
}
