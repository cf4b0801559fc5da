"""Philox4x32-10 as in core/rng.c, and the rule by which tests draw tensors from it.

The draw rule (the C tests repeat it bit for bit)
-------------------------------------------------
The numbers of a tensor come from one stream, zm_rng_init(seed, ZM_RNG_TEST = 8,
zm_hash_name(name), 0), one zm_rng_float (u, a multiple of 2^-24 in [0, 1)) per element, in
row-major order of the shape in the file (PyTorch's layout). With s = 2.0 * u - 1.0, all in
double, each product and each sum rounded (no fused multiply-add), and rounded to float at
the end:

    value = (float)(offset + scale * s)      or      (float)(offset + scale * u)

The first line that fits decides. "Ends with" means the text after the last full stop, or
the whole name:

    name ends with           dimensions   offset  scale                 times
    pos_embed                any          0       0.5                   s
      (also decoder_pos_embed: every row, the first too; the file decides, not a formula)
    cls_token, mask_token    any          0       0.04                  s
    running_mean             1            0       0.1                   s
    running_var              1            0.5     1                     u
    weight                   2 and more   0       sqrt(3.0 / fan_in)    s
      (fan_in = product of all dimensions after the first; sqrt of a double quotient)
    weight                   1            1       0.2                   s
    bias, q_bias, v_bias     1            0       0.1                   s
    images                   4            0       1                     s
    mags                     2            15      5                     u
    z                        1            0       0.4                   u
    mask_noise               2            0       1                     u

num_batches_tracked is 0 and not drawn. The pair of aliases inception_model.conv2d_init.* and
inception_model.vis_inception.0.* is drawn under the name inception_model.conv2d_init.*.
A case with noise_levels = L > 0 has mask_noise = floor(L * u) / L (L a power of two, so
exact): many ties, which go to the lower index.
"""
import math

import numpy as np

DOMAIN_TEST = 8


def philox(key, counter):
    """Blocks of four words. key: 2 ints; counter: 4 uint32 arrays; returns (n, 4) uint32."""
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(c, dtype=np.uint64) for c in counter)
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0 = (p1 >> half) ^ c1 ^ np.uint64(k0)
        c1 = p1 & low
        c2 = (p0 >> half) ^ c3 ^ np.uint64(k1)
        c3 = p0 & low
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def hash_name(name):
    """zm_hash_name: 32-bit FNV-1a."""
    h = 2166136261
    for byte in name.encode():
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return h


def floats(n, seed, domain, item, step=0):
    """First n numbers of zm_rng_float of zm_rng_init(seed, domain, item, step), as float64."""
    blocks = (n + 3) // 4
    out = np.empty(4 * blocks, dtype=np.uint32)
    chunk = 1 << 18
    for first in range(0, blocks, chunk):
        index = np.arange(first, min(first + chunk, blocks), dtype=np.uint64)
        rest = [np.full_like(index, v) for v in (step, item, domain)]
        words = philox((seed & 0xFFFFFFFF, seed >> 32), [index] + rest)
        out[4 * first:4 * first + words.size] = words.reshape(-1)
    return (out[:n] >> 8).astype(np.float64) * 2.0 ** -24


def rule(name, shape):
    """(offset, scale, symmetric) of the table above; ValueError for an unknown tensor."""
    end = name.rsplit(".", 1)[-1]
    rank = len(shape)
    if end in ("pos_embed", "decoder_pos_embed"):
        return 0.0, 0.5, True
    if end in ("cls_token", "mask_token"):
        return 0.0, 0.04, True
    if end == "running_mean":
        return 0.0, 0.1, True
    if end == "running_var":
        return 0.5, 1.0, False
    if end == "weight" and rank >= 2:
        return 0.0, math.sqrt(3.0 / float(math.prod(shape[1:]))), True
    if end == "weight":
        return 1.0, 0.2, True
    if end in ("bias", "q_bias", "v_bias"):
        return 0.0, 0.1, True
    known = {"images": (0.0, 1.0, True), "mags": (15.0, 5.0, False), "z": (0.0, 0.4, False),
             "mask_noise": (0.0, 1.0, False)}
    if name in known:
        return known[name]
    raise ValueError(f"no draw rule for {name} {tuple(shape)}")


def draw(name, shape, seed):
    """The tensor of that name as float32."""
    offset, scale, symmetric = rule(name, shape)
    u = floats(math.prod(shape), seed, DOMAIN_TEST, hash_name(name))
    t = 2.0 * u - 1.0 if symmetric else u
    return (offset + scale * t).astype(np.float32).reshape(shape)


def checksum(array):
    """Sum of (i + 1) * bits of element i, modulo 2^32, over the float32 elements."""
    bits = np.ascontiguousarray(array, dtype=np.float32).reshape(-1).view(np.uint32)
    weight = np.arange(1, bits.size + 1, dtype=np.uint64)
    total = 0
    for first in range(0, bits.size, 1 << 20):
        part = slice(first, first + (1 << 20))
        product = (weight[part] * bits[part]) & np.uint64(0xFFFFFFFF)
        total = (total + int(product.sum())) & 0xFFFFFFFF
    return total


def self_check():
    """Known answers of Random123 (kat_vectors, philox4x32 10)."""
    ones = 0xFFFFFFFF
    vectors = [
        ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ones, ones), (ones,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        ((0xA4093822, 0x299F31D0), (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
         (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ]
    for key, counter, expected in vectors:
        got = philox(key, [np.array([c]) for c in counter])[0]
        assert tuple(int(g) for g in got) == expected, (key, counter, got)
    assert hash_name("a") == 0xE40C292C


if __name__ == "__main__":
    self_check()
    print("philox: known answers agree")
