// Redshift distributions of a file, read in blocks of rows: what predict writes as FITS,
// or a qp file.
#ifndef ZM_PDF_TABLE_H
#define ZM_PDF_TABLE_H

#include "core/io/fits.h"
#include "core/train/pdf.h"

typedef struct zm_pdf_table {
    zm_fits *fits;
    zm_fits_column column; // (rows, grid.bins) numbers, any scale
    zm_z_grid grid;
} zm_pdf_table;

// Opens a FITS file and recognises by content:
//   predict's FITS table, with a vector column pdf and a table ZGRID (z_lo, z_hi of each
//   bin);
//   qp (FITS tables meta, data): pdf_name "interp" with xvals and data column yvals,
//   whose points count as bin centres, or "hist" with edges bins and data column pdfs.
// Bins must be of equal width. A file without distributions is no error: out->fits is
// NULL then. ZM_ERR_FORMAT: an uneven grid, unlike lengths, a pdf_name that is neither.
zm_status zm_pdf_table_open(const char *path, const char *helper, zm_pdf_table *out);
void zm_pdf_table_close(zm_pdf_table *table);

// Distributions of rows [first, first + rows), each made to add up to 1.
//   p   (rows, grid.bins) out; all NaN where a row is no distribution (NaN, negative or
//       empty)
zm_status zm_pdf_table_read(const zm_pdf_table *table, uint64_t first, uint64_t rows,
                            double *p);

#endif
