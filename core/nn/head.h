// What the last layer of a redshift model means: a number, a histogram, a normal law.
#ifndef ZM_HEAD_H
#define ZM_HEAD_H

#include "core/base.h"

typedef enum zm_head_kind {
    ZM_HEAD_POINT, // 1 output: z. Loss: squared error (AstroMAE as published)
    ZM_HEAD_PDF,   // bins outputs: logits of the redshift's bin. Loss: cross-entropy
    ZM_HEAD_GAUSS, // 2 outputs: mean and log variance of z. Loss: negative log-likelihood
} zm_head_kind;

enum { ZM_HEAD_MAX_BINS = 4096 };

// Bins are equal parts of [z_min, z_max]; a redshift outside counts to the nearest bin
// (Hayat et al. 2021). Of a normal law they are the grid on which it is written down.
typedef struct zm_head {
    zm_head_kind kind;
    uint32_t bins;       // [180]; 0 for ZM_HEAD_POINT
    double z_min, z_max; // [0, 0.4]
} zm_head;

const char *zm_head_kind_name(zm_head_kind kind); // "regression", "pdf", "gauss"
zm_status zm_head_kind_parse(const char *name, zm_head_kind *out);

// The defaults in brackets.
zm_head zm_head_default(zm_head_kind kind);
bool zm_head_equal(const zm_head *a, const zm_head *b);

// ZM_ERR_SHAPE: no bins or too many, or z_min < z_max does not hold.
zm_status zm_head_check(const zm_head *head);

uint32_t zm_head_outputs(const zm_head *head);       // width of the last layer
uint32_t zm_head_bin(const zm_head *head, double z); // bin that a redshift counts to

// Loss of one object: (z_phot - z)^2, -log p(bin of z), or the negative log-likelihood
// ((z - mean)^2 / variance + log variance) / 2, as the training loss has it.
//   out   (outputs) of the model
double zm_head_loss(const zm_head *head, const float *out, double z);

#endif
