// libFuzzer entry point: any bytes as the cards of a header with world coordinates.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/survey/wcs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_wcs *wcs = NULL;
    const double sky[4] = {229.5, 42.7, 10, -80};
    double pixels[4], back[4];
    char *header = malloc(size + 1);
    if (!header)
        return 0;
    memcpy(header, data, size);
    header[size] = '\0';
    if (zm_wcs_create("fuzz", header, &wcs) == ZM_OK) {
        zm_wcs_to_pixel(wcs, 2, sky, pixels);
        zm_wcs_to_sky(wcs, 2, pixels, back);
        zm_wcs_destroy(&wcs);
    }
    free(header);
    return 0;
}
