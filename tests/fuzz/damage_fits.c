// Damages FITS files at random and reads them as a user would: the process must survive.
// The files carry no checksum, which would reveal the damage before the decoder.
//   damage_fits HELPER [VARIANTS [SEED]]
// HELPER is the zmae executable; VARIANTS [200] are made of each kind of file. Prints one
// line a kind; ends with 1 where anything but success or a report of damage was seen. A
// crash of this process is a crash of zmae.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/fits_helpers.h"
#include "core/data/dataset.h"
#include "core/io/fits.h"

typedef struct kind {
    const char *name;
    int compression; // of cfitsio, 0 = none
    int bitpix;
    void (*pack)(const char *path, const uint8_t *data, size_t size);
} kind;

static const kind kinds[] = {
    {"plain", 0, FLOAT_IMG, NULL},
    {"gzip", 0, FLOAT_IMG, sample_gzip},
    {"bzip2", 0, FLOAT_IMG, sample_bzip2},
    {"compress", 0, FLOAT_IMG, sample_compress},
    {"RICE_1", RICE_1, FLOAT_IMG, NULL},
    {"GZIP_1", GZIP_1, FLOAT_IMG, NULL},
    {"HCOMPRESS_1", HCOMPRESS_1, FLOAT_IMG, NULL},
    {"PLIO_1", PLIO_1, SHORT_IMG, NULL},
    {"RICE_1 integers", RICE_1, SHORT_IMG, NULL},
    {"RICE_1 in gzip", RICE_1, FLOAT_IMG, sample_gzip},
};

typedef struct tally {
    int read, refused, died, wrong;
} tally;

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

// 1 to 8 changes: a byte, a bit, a digit, a word of ones; rarely the end is cut off.
static size_t damage(uint8_t *data, size_t size, uint64_t *state)
{
    const uint32_t changes = 1 + next_random(state) % 8;
    for (uint32_t i = 0; i < changes; i++) {
        const size_t at = next_random(state) % size;
        switch (next_random(state) % 5) {
        case 0:
            data[at] ^= (uint8_t)(1u << next_random(state) % 8);
            break;
        case 1:
            data[at] = (uint8_t)('0' + next_random(state) % 10);
            break;
        case 2:
            memset(data + at, 0xff, size - at < 4 ? size - at : 4);
            break;
        default:
            data[at] = (uint8_t)next_random(state);
        }
    }
    return next_random(state) % 20 == 0 ? 1 + next_random(state) % size : size;
}

static void read_variant(const char *path, const char *helper, tally *t)
{
    zm_fits_image *image = NULL;
    zm_dataset *ds = NULL;
    zm_status st = zm_fits_image_read(path, helper, -1, &image);
    zm_fits_image_destroy(&image);
    if (st == ZM_OK)
        t->read++;
    else if (st == ZM_ERR_FORMAT && strstr(zm_error_detail(), "died with signal"))
        t->died++;
    else if (st == ZM_ERR_FORMAT)
        t->refused++;
    else {
        t->wrong++;
        printf("unexpected: %s: %s\n", zm_status_name(st), zm_error_detail());
    }
    st = zm_dataset_open(path, helper, NULL, &ds);
    t->wrong += st != ZM_OK && st != ZM_ERR_FORMAT;
    zm_dataset_close(&ds);
}

static bool run_kind(const kind *k, const char *dir, const char *helper, int variants,
                     uint64_t *state)
{
    char path[1024];
    size_t size;
    tally t = {0};
    snprintf(path, sizeof path, "%s/f.fits", dir);
    if (sample_cube(path, k->compression, k->bitpix, false) != 0) {
        printf("%-16s cannot be made\n", k->name);
        return false;
    }
    uint8_t *data = sample_load(path, &size);
    if (k->pack) {
        k->pack(path, data, size);
        free(data);
        data = sample_load(path, &size);
    }
    uint8_t *copy = malloc(size);
    for (int i = 0; copy && i < variants; i++) {
        memcpy(copy, data, size);
        const size_t kept = damage(copy, size, state);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(copy, 1, kept, f) != kept || fclose(f) != 0) {
            printf("%s: %s\n", path, strerror(errno));
            t.wrong++;
            break;
        }
        read_variant(path, helper, &t);
    }
    free(copy);
    free(data);
    remove(path);
    printf("%-16s read %5d   refused %5d   decoder died %5d   wrong %d\n", k->name,
           t.read, t.refused, t.died, t.wrong);
    return copy && t.wrong == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: damage_fits HELPER [VARIANTS [SEED]]\n");
        return 2;
    }
    const int variants = argc > 2 ? atoi(argv[2]) : 200;
    uint64_t state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    char dir[] = "/tmp/zmae-damage-XXXXXX";
    bool ok = mkdtemp(dir) != NULL;
    for (size_t i = 0; ok && i < sizeof kinds / sizeof kinds[0]; i++)
        ok = run_kind(&kinds[i], dir, argv[1], variants, &state) && ok;
    rmdir(dir);
    return ok ? 0 : 1;
}
