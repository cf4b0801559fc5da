// Comparisons of one case of golden.h on one device: outputs, gradients, running
// statistics and training losses against PyTorch's.
//
// Limits, relative to the largest magnitude of each array:
//   double   what differs from PyTorch's double precision are constants kept as f32: 1 /
//            sqrt(head dimension), 1 / hidden patches, the momentum 0.1, each off by up
//            to 2^-25 = 3e-8, and the nine digits of the file. Two of them and a norm
//            between make at most 2e-7
//   single   PyTorch's own single precision is off by up to 2e-6 (outputs), 4e-6
//            (gradients), 1e-4 (fine-tuning losses, which amplify rounding): five to ten
//            times that
//   masks    zeros and ones: only the norm's digits differ
#ifndef ZM_TESTS_GOLDEN_CHECKS_H
#define ZM_TESTS_GOLDEN_CHECKS_H

#include "tests/model/golden.h"

typedef struct zm_golden_limits {
    double forward, gradient, statistic;
} zm_golden_limits;

#define ZM_GOLDEN_SMALL                                                                  \
    "mae_tiny", "mae_small", "mae_small_pcm", "mae_small_normpix", "mae_64",             \
        "mae_64_pcm", "astromae_small", "astromae_small_pcm", "astromae_64_pcm",         \
        "astromae_small_pdf", "astromae_small_gauss", "vit_small_pcm",                   \
        "vit_magnitude_small", "vit_inception_small_pcm", "inception_small",             \
        "henghes_small", "scratch_vit_small_pcm", "scratch_vit_magnitude_small_pcm_pdf"
#define ZM_GOLDEN_FULL                                                                   \
    "mae_full", "mae_full_pcm", "astromae_full", "astromae_full_pcm",                    \
        "astromae_full_pcm_pdf", "astromae_full_pcm_gauss"

void zm_golden_check_outputs(zm_gpu *gpu, const char *name,
                             const zm_golden_limits *limit);
void zm_golden_check_gradients(zm_gpu *gpu, const char *name,
                               const zm_golden_limits *limit);
// Ten steps of the trainer; relative errors of an autoencoder's and a redshift loss.
void zm_golden_check_losses(zm_gpu *gpu, const char *name, double pretrain,
                            double finetune);

#endif
