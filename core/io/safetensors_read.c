// Tensors of a safetensors file as numbers of the type asked for.
#include "core/io/safetensors_impl.h"

#include <inttypes.h>
#include <string.h>

#include "core/io/bytes.h"

enum { CHUNK_BYTES = 32 * 1024 };

static uint64_t load_le(const uint8_t *p, uint32_t size)
{
    uint64_t v = 0;
    for (uint32_t i = size; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static float load_f32(const uint8_t *p)
{
    const uint32_t bits = (uint32_t)load_le(p, 4);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double load_f64(const uint8_t *p)
{
    const uint64_t bits = load_le(p, 8);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static float load_bf16(const uint8_t *p)
{
    const uint32_t bits = (uint32_t)load_le(p, 2) << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double load_real(zm_st_dtype dtype, const uint8_t *p)
{
    switch (dtype) {
    case ZM_ST_F32:
        return (double)load_f32(p);
    case ZM_ST_F64:
        return load_f64(p);
    case ZM_ST_F16:
        return (double)zm_f16_to_f32((uint16_t)load_le(p, 2));
    default:
        return (double)load_bf16(p);
    }
}

// F32 keeps its bits, also those of a NaN.
float zm_st_load_f32(zm_st_dtype dtype, const uint8_t *p)
{
    return dtype == ZM_ST_F32 ? load_f32(p) : (float)load_real(dtype, p);
}

static int64_t load_integer(zm_st_dtype dtype, const uint8_t *p)
{
    switch (dtype) {
    case ZM_ST_I64:
        return (int64_t)load_le(p, 8);
    case ZM_ST_I32:
        return (int32_t)(uint32_t)load_le(p, 4);
    case ZM_ST_U32:
        return (int64_t)load_le(p, 4);
    default:
        return p[0];
    }
}

bool zm_st_is_real(zm_st_dtype dtype)
{
    return dtype == ZM_ST_F32 || dtype == ZM_ST_F64 || dtype == ZM_ST_F16 ||
           dtype == ZM_ST_BF16;
}

static bool is_integer(zm_st_dtype dtype)
{
    return dtype == ZM_ST_I64 || dtype == ZM_ST_I32 || dtype == ZM_ST_U32 ||
           dtype == ZM_ST_U8;
}

typedef enum target_type { TO_F32, TO_F64, TO_I64 } target_type;

static void convert(zm_st_dtype dtype, uint32_t size, const uint8_t *in, uint64_t count,
                    uint64_t first, target_type target, void *out)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *p = in + i * size;
        switch (target) {
        case TO_F32:
            ((float *)out)[first + i] = zm_st_load_f32(dtype, p);
            break;
        case TO_F64:
            ((double *)out)[first + i] = load_real(dtype, p);
            break;
        case TO_I64:
            ((int64_t *)out)[first + i] = load_integer(dtype, p);
            break;
        }
    }
}

// The file is little-endian: what needs no conversion is read in place.
static bool is_native(zm_st_dtype dtype, target_type target)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1 && ((dtype == ZM_ST_F32 && target == TO_F32) ||
                          (dtype == ZM_ST_F64 && target == TO_F64) ||
                          (dtype == ZM_ST_I64 && target == TO_I64));
}

static zm_status read_as(const zm_safetensors *st, const zm_st_entry *e, uint64_t first,
                         uint64_t count, target_type target, void *out)
{
    const bool wanted = target == TO_I64 ? is_integer(e->dtype) : zm_st_is_real(e->dtype);
    if (!wanted)
        return ZM_FAIL(ZM_ERR_FORMAT, "%s: tensor %s: expected %s, found another dtype",
                       zm_safetensors_path(st), e->name,
                       target == TO_I64 ? "integers" : "F32, F16, BF16 or F64");
    if (first > e->count || count > e->count - first)
        return ZM_FAIL(ZM_ERR_SHAPE,
                       "%s: tensor %s: elements %" PRIu64 " + %" PRIu64
                       " asked of %" PRIu64,
                       zm_safetensors_path(st), e->name, first, count, e->count);
    const uint32_t size = zm_st_type_of(e->dtype)->size;
    if (is_native(e->dtype, target))
        return zm_safetensors_read_raw(st, e, first * size, count * size, out);
    uint8_t chunk[CHUNK_BYTES];
    const uint64_t step = CHUNK_BYTES / size;
    for (uint64_t done = 0; done < count;) {
        const uint64_t n = ZM_MIN(step, count - done);
        ZM_TRY(zm_safetensors_read_raw(st, e, (first + done) * size, n * size, chunk));
        convert(e->dtype, size, chunk, n, done, target, out);
        done += n;
    }
    return ZM_OK;
}

zm_status zm_safetensors_read_f32(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first, uint64_t count, float *out)
{
    return read_as(st, e, first, count, TO_F32, out);
}

zm_status zm_safetensors_read_f64(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first, uint64_t count, double *out)
{
    return read_as(st, e, first, count, TO_F64, out);
}

zm_status zm_safetensors_read_i64(const zm_safetensors *st, const zm_st_entry *e,
                                  uint64_t first, uint64_t count, int64_t *out)
{
    return read_as(st, e, first, count, TO_I64, out);
}
