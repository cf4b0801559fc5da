#include "core/io/png.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "core/io/bytes.h"

// libpng leaves by longjmp on errors: everything that must survive it is a parameter.
static bool encode(png_structp png, png_infop info, FILE *f, uint32_t width,
                   uint32_t height, const uint8_t *rgb)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_init_io(png, f);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t y = 0; y < height; y++)
        png_write_row(png, rgb + (size_t)y * width * 3);
    png_write_end(png, NULL);
    return true;
}

// libpng's own handlers print; the caller reports instead.
static void on_error(png_structp png, png_const_charp message)
{
    (void)message;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

zm_status zm_png_write(const char *path, uint32_t width, uint32_t height,
                       const uint8_t *rgb)
{
    if (width < 1 || width > ZM_PNG_MAX_SIDE || height < 1 || height > ZM_PNG_MAX_SIDE)
        return ZM_FAIL(ZM_ERR_USAGE, "%s: wanted sides of 1 to %d pixels, found %u x %u",
                       path, ZM_PNG_MAX_SIDE, (unsigned)width, (unsigned)height);
    zm_atomic_file file = {0};
    ZM_TRY(zm_atomic_begin(path, &file));
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    zm_status st = ZM_OK;
    errno = 0; // libpng does not say what failed
    if (!info)
        st = ZM_FAIL(ZM_ERR_MEMORY, "%s: out of memory", path);
    else if (!encode(png, info, file.f, width, height, rgb))
        st = ZM_FAIL(ZM_ERR_IO, "%s: the picture could not be written: %s", path,
                     strerror(errno ? errno : EIO));
    png_destroy_write_struct(&png, &info);
    if (st == ZM_OK)
        return zm_atomic_commit(&file);
    zm_atomic_abort(&file);
    return st;
}
