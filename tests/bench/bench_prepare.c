// Cutouts a second once the frames are in memory: 64 x 64 pixels in five bands out of
// five frames of 2048 x 1489, each thread with frames and objects of its own choice of
// row.
//
//   build/bench_prepare [THREADS [SECONDS]]
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/survey/frame_cut.h"

enum { WIDTH = 2048, HEIGHT = 1489, SIZE = 64, MAX_THREADS = 64 };

typedef struct worker {
    const zm_frame_field *field;
    const zm_lanczos *lanczos;
    double seconds;
    uint64_t cut;
    double sum; // keeps the work from being left out
    pthread_t thread;
} worker;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void card(char *header, const char *text)
{
    const size_t n = strlen(header);
    memset(header + n, ' ', 80);
    memcpy(header + n, text, strlen(text));
    header[n + 80] = '\0';
}

// A band turned against north, some pixels from the others.
static char *make_header(int band)
{
    char *header = calloc(1, 80 * 20 + 1);
    char text[81];
    if (!header)
        return NULL;
    card(header, "SIMPLE  =                    T");
    card(header, "BITPIX  =                  -32");
    card(header, "NAXIS   =                    2");
    card(header, "NAXIS1  =                 2048");
    card(header, "NAXIS2  =                 1489");
    card(header, "CTYPE1  = 'RA---TAN'");
    card(header, "CTYPE2  = 'DEC--TAN'");
    snprintf(text, sizeof text, "CRPIX1  = %20.8f", 1025.0 + 3.3 * band);
    card(header, text);
    snprintf(text, sizeof text, "CRPIX2  = %20.8f", 745.0 - 2.7 * band);
    card(header, text);
    card(header, "CRVAL1  =        229.537988811");
    card(header, "CRVAL2  =        42.7632764344");
    card(header, "CD1_1   =    6.12244995309E-05");
    card(header, "CD1_2   =    9.14089391883E-05");
    card(header, "CD2_1   =    9.13919502146E-05");
    card(header, "CD2_2   =   -6.12100865715E-05");
    card(header, "END");
    return header;
}

static zm_status make_field(zm_frame_field *field)
{
    for (int b = 0; b < ZM_BANDS; b++) {
        zm_fits_image *image = calloc(1, sizeof *image);
        if (!image)
            return ZM_FAIL(ZM_ERR_MEMORY, "no memory");
        field->band[b].image = image;
        image->naxis = 2;
        image->width = WIDTH;
        image->height = HEIGHT;
        image->header = make_header(b);
        image->data = malloc(sizeof(float) * WIDTH * HEIGHT);
        if (!image->header || !image->data)
            return ZM_FAIL(ZM_ERR_MEMORY, "no memory");
        for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
            image->data[i] = (float)(i * 2654435761u >> 16) * 1e-6f;
        ZM_TRY(zm_wcs_create("bench", image->header, &field->band[b].wcs));
    }
    return ZM_OK;
}

static void *work(void *user)
{
    worker *w = user;
    zm_frame_cutter *cutter = NULL;
    float *image = malloc(sizeof(float) * ZM_BANDS * SIZE * SIZE);
    if (!image || zm_frame_cutter_create(SIZE, &cutter) != ZM_OK)
        exit(5);
    uint32_t state = (uint32_t)(uintptr_t)w;
    const double end_s = now_s() + w->seconds;
    while (now_s() < end_s) {
        state = state * 1664525u + 1013904223u;
        zm_row row = {.ra_deg = 229.48 + 0.1 * (state >> 16 & 255) / 255.0,
                      .dec_deg = 42.72 + 0.08 * (state >> 24) / 255.0};
        zm_frame_cut(cutter, w->field, w->lanczos, &row, image);
        if (row.coverage != 1.0f)
            exit(8);
        w->sum += (double)image[SIZE / 2 * SIZE + SIZE / 2];
        w->cut++;
    }
    zm_frame_cutter_destroy(&cutter);
    free(image);
    return NULL;
}

int main(int argc, char **argv)
{
    static worker workers[MAX_THREADS];
    const int threads = argc > 1 ? atoi(argv[1]) : 2;
    const double seconds = argc > 2 ? atof(argv[2]) : 3.0;
    zm_frame_field field = {.frames = ZM_BANDS};
    zm_lanczos *lanczos = NULL;
    uint64_t cut = 0;
    if (threads < 1 || threads > MAX_THREADS || !(seconds > 0.0)) {
        fprintf(stderr, "usage: bench_prepare [THREADS 1..%d [SECONDS]]\n", MAX_THREADS);
        return 2;
    }
    if (make_field(&field) != ZM_OK || zm_lanczos_create(&lanczos) != ZM_OK) {
        fprintf(stderr, "bench_prepare: %s\n", zm_error_detail());
        return 5;
    }
    const clock_t start_cpu = clock();
    const double start_s = now_s();
    for (int i = 0; i < threads; i++) {
        workers[i] = (worker){.field = &field, .lanczos = lanczos, .seconds = seconds};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return 5;
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        cut += workers[i].cut;
    }
    printf("%d threads: %.0f cutouts/s of 5 x %d x %d pixels, %.0f for each second of a "
           "processor\n",
           threads, (double)cut / (now_s() - start_s), SIZE, SIZE,
           (double)cut / ((double)(clock() - start_cpu) / CLOCKS_PER_SEC));
    zm_lanczos_destroy(&lanczos);
    zm_frame_field_finish(&field);
    return 0;
}
