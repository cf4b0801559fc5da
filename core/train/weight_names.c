#include "core/train/weight_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A name, or the beginning of names where it ends in a dot.
typedef struct pair {
    const char *own, *hf;
} pair;

static const pair whole_names[] = {
    {"cls_token", "vit.embeddings.cls_token"},
    {"pos_embed", "vit.embeddings.position_embeddings"},
    {"patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."},
    {"norm.", "vit.layernorm."},
    {"mask_token", "decoder.mask_token"},
    {"decoder_embed.", "decoder.decoder_embed."},
    {"decoder_pos_embed", "decoder.decoder_pos_embed"},
    {"decoder_norm.", "decoder.decoder_norm."},
    {"decoder_pred.", "decoder.decoder_pred."},
};

static const pair block_prefixes[] = {
    {"blocks.", "vit.encoder.layer."},
    {"decoder_blocks.", "decoder.decoder_layers."},
};

// Behind the number of the block.
static const pair block_names[] = {
    {"norm1.", "layernorm_before."},
    {"norm2.", "layernorm_after."},
    {"attn.proj.", "attention.output.dense."},
    {"mlp.fc1.", "intermediate.dense."},
    {"mlp.fc2.", "output.dense."},
    {"PCM.", "pcm."},
};

static const pair pcm_biases[] = {
    {"attn.q_bias", "attention.attention.query.bias"},
    {"attn.k_bias", "attention.attention.key.bias"},
    {"attn.v_bias", "attention.attention.value.bias"},
};

static const char qkv[] = "attn.qkv.";
static const char *const qkv_parts[ZM_MAX_PARTS] = {"attention.attention.query.",
                                                    "attention.attention.key.",
                                                    "attention.attention.value."};

// What follows the beginning, or NULL.
static const char *behind(const char *name, const char *start)
{
    const size_t n = strlen(start);
    return strncmp(name, start, n) == 0 ? name + n : NULL;
}

// Writes "A B C" joined; false where that is too long for a name.
static bool join(char out[ZM_PARAM_NAME], const char *a, const char *b, const char *c)
{
    const int n = snprintf(out, ZM_PARAM_NAME, "%s%s%s", a, b, c);
    return n > 0 && n < ZM_PARAM_NAME;
}

// Finds name among one side of the pairs and writes head and the other side's name.
static bool swap_name(const pair *pairs, size_t count, const char *head, const char *name,
                      bool to_hf, char out[ZM_PARAM_NAME])
{
    for (size_t i = 0; i < count; i++) {
        const char *from = to_hf ? pairs[i].own : pairs[i].hf;
        const char *to = to_hf ? pairs[i].hf : pairs[i].own;
        const char *rest = behind(name, from);
        if (rest && (*rest == '\0') == (from[strlen(from) - 1] != '.'))
            return join(out, head, to, rest);
    }
    return false;
}

// Splits "PREFIX.N.rest": head becomes the other side's "PREFIX.N.". NULL: no block.
static const char *block_part(const char *name, bool to_hf, char head[ZM_PARAM_NAME],
                              bool *encoder)
{
    for (size_t i = 0; i < ZM_COUNT_OF(block_prefixes); i++) {
        const pair *p = &block_prefixes[i];
        const char *rest = behind(name, to_hf ? p->own : p->hf);
        const size_t digits = rest ? strspn(rest, "0123456789") : 0;
        if (digits == 0 || digits > 4 || rest[digits] != '.')
            continue;
        char number[8];
        snprintf(number, sizeof number, "%.*s.", (int)digits, rest);
        *encoder = i == 0;
        return join(head, to_hf ? p->hf : p->own, number, "") ? rest + digits + 1 : NULL;
    }
    return NULL;
}

uint32_t zm_names_to_hf(const char *own, char out[ZM_MAX_PARTS][ZM_PARAM_NAME],
                        bool *zero_key, char zeros[ZM_PARAM_NAME])
{
    char head[ZM_PARAM_NAME];
    bool encoder = false;
    *zero_key = false;
    const char *rest = block_part(own, true, head, &encoder);
    if (!rest)
        return swap_name(whole_names, ZM_COUNT_OF(whole_names), "", own, true, out[0]);
    const char *kind = behind(rest, qkv);
    if (kind) {
        bool fits = true;
        for (uint32_t i = 0; i < ZM_MAX_PARTS; i++)
            fits = join(out[i], head, qkv_parts[i], kind) && fits;
        return fits ? ZM_MAX_PARTS : 0;
    }
    if (swap_name(pcm_biases, ZM_COUNT_OF(pcm_biases), head, rest, true, out[0])) {
        *zero_key = strcmp(rest, pcm_biases[0].own) == 0;
        return !*zero_key || join(zeros, head, pcm_biases[1].hf, "") ? 1 : 0;
    }
    return swap_name(block_names, ZM_COUNT_OF(block_names), head, rest, true, out[0]);
}

bool zm_names_from_hf(const char *hf, bool pcm, char out[ZM_PARAM_NAME], uint32_t *part,
                      uint32_t *parts)
{
    char head[ZM_PARAM_NAME];
    bool encoder = false;
    *part = 0;
    *parts = 1;
    const char *rest = block_part(hf, false, head, &encoder);
    if (!rest)
        return swap_name(whole_names, ZM_COUNT_OF(whole_names), "", hf, false, out);
    if (pcm && encoder &&
        swap_name(pcm_biases, ZM_COUNT_OF(pcm_biases), head, rest, false, out))
        return true;
    for (uint32_t i = 0; i < ZM_MAX_PARTS; i++) {
        const char *kind = behind(rest, qkv_parts[i]);
        if (!kind)
            continue;
        *part = i;
        *parts = ZM_MAX_PARTS;
        return join(out, head, qkv, kind);
    }
    return swap_name(block_names, ZM_COUNT_OF(block_names), head, rest, false, out);
}
