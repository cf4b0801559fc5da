// libFuzzer entry point: any bytes as a FITS file, of which the headers are read.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/io/fits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_fits_list list = {0};
    if (zm_fits_scan("fuzz", data, size, &list) != ZM_OK)
        return 0;
    for (uint32_t i = 0; i < list.count; i++) {
        const zm_fits_hdu *h = &list.hdus[i];
        if (h->naxis > ZM_FITS_MAX_AXES || h->data_offset > size ||
            (!h->truncated && h->data_size > size - h->data_offset))
            abort();
    }
    zm_fits_list_finish(&list);
    return 0;
}
