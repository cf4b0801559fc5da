// PNG pictures through libpng.
#ifndef ZM_PNG_H
#define ZM_PNG_H

#include "core/base.h"

enum { ZM_PNG_MAX_SIDE = 32768 };

// Writes an 8-bit RGB picture; the file appears under its name only when complete and
// holds no time, so that equal pictures are equal files.
//   rgb   (height, width, 3), top row first
// Errors: ZM_ERR_USAGE (a side is not 1 to ZM_PNG_MAX_SIDE), ZM_ERR_IO, ZM_ERR_MEMORY.
zm_status zm_png_write(const char *path, uint32_t width, uint32_t height,
                       const uint8_t *rgb);

#endif
