// libFuzzer entry point: any bytes as a CSV table.
#include <stddef.h>
#include <stdint.h>

#include "core/io/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_csv *csv = NULL;
    if (zm_csv_parse("fuzz", data, size, &csv) != ZM_OK)
        return 0;
    const int64_t column = zm_csv_find(csv, "ra");
    for (uint64_t row = 0; row < zm_csv_rows(csv); row++) {
        double real;
        int64_t integer;
        for (uint64_t i = 0; i < zm_csv_columns(csv); i++)
            (void)zm_csv_i64(csv, row, (int64_t)i, 0, &integer);
        (void)zm_csv_f64(csv, row, column, &real);
    }
    zm_csv_destroy(&csv);
    return 0;
}
