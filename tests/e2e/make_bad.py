#!/usr/bin/python3
"""Damaged, hostile and ill-fitting inputs for bad_input.sh.

    make_bad.py files DIR     reads DIR/data.safetensors, data.fits, mae.safetensors and
                              z.safetensors, writes DIR/bad/* and prints one line a case:
                              use, file, exit status, regular expression of the message
    make_bad.py mutants DIR   packed FITS in DIR/mutants/KIND/, damaged at random
    make_bad.py rss COMMAND   runs it; prints status and peak MiB of it and its children
    make_bad.py same A B      exits 1 unless the columns of CSV A and FITS table B agree
    make_bad.py flip FILE AT  inverts one bit of the byte AT (negative: from the end)

Compressed images (.fz) need astropy; without it those kinds are left out.
"""

import bz2
import gzip
import json
import os
import random
import resource
import struct
import subprocess
import sys
import zipfile

import numpy as np

CARD, BLOCK = 80, 2880
MUTANTS = 36


# ---- safetensors


def st_read(path):
    """Header and name -> (dtype, shape, bytes)."""
    blob = open(path, "rb").read()
    n = struct.unpack("<Q", blob[:8])[0]
    header = json.loads(blob[8 : 8 + n])
    meta = header.pop("__metadata__", {})
    data = blob[8 + n :]
    return meta, {
        k: (v["dtype"], v["shape"], data[v["data_offsets"][0] : v["data_offsets"][1]])
        for k, v in header.items()
    }


def st_header(meta, tensors):
    header, at = ({"__metadata__": meta} if meta else {}), 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [at, at + len(data)],
        }
        at += len(data)
    return header


def st_bytes(header, data):
    if not isinstance(header, bytes):
        header = json.dumps(header, separators=(",", ":")).encode()
        header += b" " * (-(len(header)) % 8)
    return struct.pack("<Q", len(header)) + header + data


def st_write(path, meta, tensors):
    data = b"".join(t[2] for t in tensors.values())
    with open(path, "wb") as f:
        f.write(st_bytes(st_header(meta, tensors), data))


def f32(array):
    array = np.asarray(array, "<f4")
    return ("F32", list(array.shape), array.tobytes())


def f16(tensors):
    half = lambda data: np.frombuffer(data, "<f4").astype("<f2").tobytes()
    return {k: ("F16", s, half(b)) if d == "F32" else (d, s, b)
            for k, (d, s, b) in tensors.items()}


# ---- FITS


def fits_header(cards):
    text = "".join(f"{k:<8}= {v:>20}".ljust(CARD) for k, v in cards) + "END".ljust(CARD)
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode()


def fits_image(data, extra=(), bitpix=-32):
    cards = [("SIMPLE", "T"), ("BITPIX", bitpix), ("NAXIS", data.ndim)]
    cards += [(f"NAXIS{i + 1}", n) for i, n in enumerate(reversed(data.shape))]
    body = data.astype(">f4" if bitpix == -32 else ">i4").tobytes()
    return fits_header(cards + list(extra)) + body.ljust(-(-len(body) // BLOCK) * BLOCK, b"\0")


def cube(bands=5, side=32, seed=1):
    return np.random.default_rng(seed).normal(0.1, 0.05, (bands, side, side))


def fits_column(blob, name):
    """Values of a scalar column of the first extension."""
    cards, at = {}, 0
    for hdu in range(2):
        cards = {}
        while True:
            card = blob[at : at + CARD].decode()
            at += CARD
            if card.startswith("END"):
                break
            if card[8:10] == "= ":
                cards[card[:8].strip()] = card[10:].split("/")[0].strip().strip("'").strip()
        at = -(-at // BLOCK) * BLOCK
    offset = 0
    for i in range(1, int(cards["TFIELDS"]) + 1):
        code = cards[f"TFORM{i}"].lstrip("1")
        kind = {"K": ">i8", "D": ">f8", "E": ">f4", "J": ">i4"}[code]
        if cards[f"TTYPE{i}"].lower() == name:
            width = int(cards["NAXIS1"])
            rows = int(cards["NAXIS2"])
            table = np.frombuffer(blob, "u1", width * rows, at).reshape(rows, width)
            return table[:, offset : offset + int(kind[2])].copy().view(kind)[:, 0]
        offset += int(kind[2])
    raise SystemExit(f"no column {name}")


# ---- cases


class Cases:
    def __init__(self, directory):
        self.dir = os.path.join(directory, "bad")
        os.makedirs(self.dir, exist_ok=True)

    def add(self, use, name, status, regex, content):
        path = os.path.join(self.dir, name)
        if isinstance(content, bytes):
            with open(path, "wb") as f:
                f.write(content)
        else:
            st_write(path, *content)
        print(use, path, status, regex, sep="\t")


def hostile_headers(c):
    """(name, what the message must say, bytes); each as model and as data."""
    t = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    eight, head = bytes(8), lambda h, d=bytes(8): st_bytes(h, d)
    two = lambda a, b: {"a": dict(t, data_offsets=a), "b": dict(t, data_offsets=b)}
    raw = lambda text: head(text.encode())
    field = '"shape":[2],"data_offsets":[0,8]'
    cases = {
        "empty": ("0 bytes|empty", b""),
        "seven-bytes": ("7 bytes|header|something", b"\x02" + bytes(6)),
        "beyond": ("16|8|bytes", head({"a": dict(t, shape=[4], data_offsets=[0, 16])})),
        "overlap": ("overlap", head(two([0, 8], [4, 12]), bytes(12))),
        "hole": ("hole", head(two([0, 8], [12, 20]), bytes(20))),
        "backwards": ("data_offsets", head({"a": dict(t, data_offsets=[8, 0])})),
        "trailing": ("expected 8 bytes", head({"a": t}, bytes(9))),
        "truncated-data": ("truncated", head({"a": t}, bytes(7))),
        "huge-length": ("header", struct.pack("<Q", 1 << 62) + b'{"a":1}' + eight),
        "long-length": ("header", struct.pack("<Q", 99_000_000) + b"{}" + eight),
        "all-ones-length": ("header", b"\xff" * 8 + b"{}" + eight),
        "duplicate": ("duplicate", raw('{"a":{"dtype":"F32",%s},"a":{"dtype":"F32",%s}}' % (field, field))),
        "negative-dim": ("shape", head({"a": dict(t, shape=[-2])})),
        "huge-dim": ("overflow|bytes|shape", head({"a": dict(t, shape=[1 << 62, 1 << 62])})),
        "float-dim": ("shape", head({"a": dict(t, shape=[2.0])})),
        "deep-rank": ("shape", head({"a": dict(t, shape=[1] * 40 + [2])})),
        "no-dtype": ("dtype", head({"a": {"shape": [2], "data_offsets": [0, 8]}})),
        "odd-dtype": ("dtype", head({"a": dict(t, dtype="F31")})),
        "not-utf8": ("decode byte 0xff", head(b'{"\xff\xfe":{"dtype":"F32",%s}}' % field.encode())),
        "nul-in-name": ("NUL|header", raw('{"a\\u0000b":{"dtype":"F32",%s}}' % field)),
        "nested": ("depth|header|object|nest", raw('{"a":' + "[" * 5000 + "]" * 5000 + "}")),
        "array": ("starts with", raw('[{"dtype":"F32"}]')),
        "not-json": ("header", raw('{"a":{dtype}}')),
        "cut-json": ("header", raw('{"a":{"dtype":"F32"')),
        "entry-number": ("a", head({"a": 3})),
        "meta-number": ("__metadata__", head({"__metadata__": {"k": 3}, "a": t})),
        "meta-list": ("__metadata__", head({"__metadata__": ["k"], "a": t})),
        "long-name": ("name", head({"n" * 5000: t})),
    }
    for name, (regex, content) in cases.items():
        c.add("hostile", f"header-{name}.safetensors", 3, regex, content)


def bad_models(c, directory):
    for use, source in (("model-mae", "mae"), ("model-z", "z")):
        meta, good = st_read(os.path.join(directory, f"{source}.safetensors"))
        pack = f16 if source == "z" else dict  # the redshift model is large
        case = lambda what, regex, m, t: c.add(
            use, f"{source}-{what}.safetensors", 3, regex, (m, pack(t)))
        name = "blocks.0.attn.proj.weight"
        dtype, shape, data = good[name]
        without = {k: v for k, v in good.items() if k != name}
        case("missing", name, meta, without)
        case("unexpected", "extra.weight", meta, {**good, "extra.weight": f32([1.0])})
        case("shape", rf"{name}.*\({shape[0]}, {shape[1]}\)", meta,
             {**good, name: f32(np.zeros((shape[0] // 2, shape[1])))})
        for what, value in (("nan", np.nan), ("inf", -np.inf)):
            broken = np.frombuffer(data, "<f4").copy()
            broken[7] = value
            case(what, f"{name}.* 7 ", meta, {**good, name: (dtype, shape, broken.tobytes())})
        case("dtype", name, meta, {**good, name: ("I64", shape, bytes(2 * len(data)))})
        if source == "z":
            alias = "inception_model.vis_inception.0.weight"
            alias = alias if alias in good else next(
                k for k in good if k.startswith("inception_model.vis_inception.0."))
            d, s, b = good[alias]
            case("unlike-alias", "alias", meta, {**good, alias: (d, s, b[:-4] + b"\0\0\x80\x3f")})

        def damaged(what, regex, change):
            copy = json.loads(meta["zmae"])
            change(copy)
            case(f"meta-{what}", regex, dict(meta, zmae=json.dumps(copy)), good)

        pre, arch = "preprocessing", "architecture"
        case("meta-text", "zmae", dict(meta, zmae="{nonsense"), good)
        case("meta-array", "zmae", dict(meta, zmae="[1]"), good)
        if source == "z":
            damaged("std", "mag_std", lambda m: m[pre].update(mag_std=[1, 1, -1, 1, 1]))
            damaged("std-0", "mag_std", lambda m: m[pre].update(mag_std=[1, 1, 0, 1, 1]))
            damaged("mags", "magnitudes", lambda m: m[pre].update(magnitudes="vega"))
            continue
        damaged("heads-0", "heads", lambda m: m[arch].update(heads=0))
        damaged("heads-7", "heads", lambda m: m[arch].update(heads=7))
        damaged("heads-text", "heads", lambda m: m[arch].update(heads="two"))
        damaged("arch-list", "architecture", lambda m: m.update(architecture=[]))
        damaged("pre-text", "preprocessing", lambda m: m.update(preprocessing="none"))
        damaged("stretch", "stretch", lambda m: m[pre].update(stretch="log"))
        damaged("scale-4", "scale", lambda m: m[pre].update(scale=[1, 1, 1, 1]))
        damaged("scale-huge", "scale", lambda m: m[pre].update(scale=[1e300] * 5))
        damaged("scale-0", "scale", lambda m: m[pre].update(scale=[1, 0, 1, 1, 1]))
        damaged("image", "image", lambda m: m[arch].update(image=64))
        damaged("bands", "bands", lambda m: m[pre].update(bands="zirgu"))
        damaged("ratio", "mask_ratio", lambda m: m[arch].update(mask_ratio=1.5))
        damaged("decoder", "decoder_heads", lambda m: m[arch].update(decoder_heads=-1))


def bad_data(c, directory):
    meta, good = st_read(os.path.join(directory, "data.safetensors"))
    n, _, side, _ = good["images"][1]
    images = np.frombuffer(good["images"][2], "<f4").reshape(n, 5, side, side)
    data = lambda what, regex, t: c.add("data", f"data-{what}.safetensors", 3, regex, (meta, t))
    data("3-bands", r"images.*5.*3", {"images": f32(images[:, :3])})
    data("rank-3", "images.*5", {"images": f32(images[:, 0])})
    data("no-rows", "images", {"images": ("F32", [0, 5, side, side], b"")})
    data("no-images", "images", {"pictures": good["images"]})
    data("int-images", "images.*F32", {"images": ("I32", good["images"][1], good["images"][2])})
    data("z-short", r"tensor z", {**good, "z": f32(np.zeros(n - 1))})
    data("mags-4", r"tensor mags", {**good, "mags": f32(np.zeros((n, 4)))})
    data("float-ids", "object_id", {**good, "object_id": f32(np.zeros(n))})
    data("16x16", "16.*32", {"images": f32(images[:, :, 8:24, 8:24])})
    c.add("noise", "data-mask-noise.safetensors", 3, "mask_noise.*9.*16",
          (meta, {**good, "mask_noise": f32(np.zeros((n, 9)))}))
    c.add("noise", "data-mask-wide.safetensors", 3, "mask_noise.*4096.*16",
          (meta, {**good, "mask_noise": f32(np.zeros((n, 4096)))}))
    c.add("noise-nan", "data-mask-nan.safetensors", 3, "mask_noise.*row.*finite",
          (meta, {**good, "mask_noise": f32(np.full((n, 16), np.nan))}))
    c.add("unlabelled", "data-no-z.safetensors", 3, "redshift",
          (meta, {"images": good["images"]}))

    broken = images.copy()
    broken[0, 0, 16, 16] = np.nan
    broken[1, :, 0, 0] = np.inf
    broken[2] = np.nan
    c.add("masked", "data-nan.safetensors", 0, "", (meta, {"images": f32(broken)}))
    broken = cube()
    broken[2, 3, 4] = np.nan
    c.add("masked", "nan.fits", 0, "", fits_image(broken))
    ids = np.arange(n, dtype="<i8")
    ids[:6] = [2**53 + 1, 1237648720693755918, 2**63 - 1, -(2**63), 0, -1]
    st_write(os.path.join(c.dir, "ids.safetensors"), meta,
             {**good, "object_id": ("I64", [n], ids.tobytes())})
    np.savetxt(os.path.join(c.dir, "ids.txt"), ids, "%d")


def bad_fits(c, directory):
    fits = lambda what, regex, b: c.add("data", what, 3, regex, b)
    fits("4-planes.fits", "HDU 0.*5.*4", fits_image(cube(4)))
    fits("6-planes.fits", "HDU 0.*5.*6", fits_image(cube(6)))
    frame = fits_image(cube()[0])
    fits("frame.fits", "HDU 0.*5.*2 axes", frame)
    fits("cube-16.fits", "16.*32", fits_image(cube(side=16)))
    whole = fits_image(cube())
    fits("cube-cut.fits", "HDU 0.*truncated", whole[: BLOCK + 5000])
    fits("cube-header-cut.fits", "HDU 0.*END", whole[:400])
    table = open(os.path.join(directory, "data.fits"), "rb").read()
    fits("table-cut.fits", "HDU 1.*truncated", table[: len(table) // 2])
    fits("table-header-cut.fits", "HDU 1.*END", table[: BLOCK + 1000])
    at = table.rindex(b"END" + b" " * 77) // BLOCK * BLOCK + BLOCK + 4000
    broken = bytearray(table)
    broken[at] ^= 0x10
    fits("table-checksum.fits", "HDU 1.*(CHECKSUM|DATASUM)", bytes(broken))
    extra = [("DATASUM", "'1234567890'"), ("CHECKSUM", "'abcdefghijklmnop'")]
    fits("cube-checksum.fits", "HDU 0.*(CHECKSUM|DATASUM)", fits_image(cube(), extra))
    claim = [("SIMPLE", "T"), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", 100000),
             ("NAXIS2", 100000), ("NAXIS3", 5)]
    c.add("bomb", "claims-200-gb.fits", 3, "HDU 0.*200000000000 bytes", fits_header(claim))
    header = fits_header([("SIMPLE", "T"), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", 5200),
                          ("NAXIS2", 5200), ("NAXIS3", 5)])
    # as large as the classic bomb: half a gigabyte of zeros in about 522 KB
    packer = gzip.GzipFile(os.path.join(c.dir, "zeros.fits.gz"), "wb", 9, mtime=0)
    packer.write(header)
    for _ in range(516):
        packer.write(bytes(1 << 20))
    packer.close()
    print("bomb", os.path.join(c.dir, "zeros.fits.gz"), 3, "expands|MiB", sep="\t")
    with open(os.path.join(c.dir, "zeros.fits.bz2"), "wb") as f:
        f.write(bz2.compress(header + bytes(300 << 20)))
    print("bomb", os.path.join(c.dir, "zeros.fits.bz2"), 3, "expands|MiB", sep="\t")
    path = os.path.join(c.dir, "zeros.npz")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("cube.npy", bytes(64 << 20))
    print("bomb", path, 3, "numpy array", sep="\t")
    c.add("data", "text.fits", 3, "found", b"This is no FITS file.\n" * 20)
    c.add("data", "hdf5.fits", 3, "HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100))
    c.add("data", "empty.fits", 3, "empty", b"")


def tables(c):
    """Predictions and truths for evaluate."""
    csv = lambda name, regex, text: c.add("pred", name, 3, regex, text.encode("latin-1"))
    csv("pred-empty.csv", "column names", "")
    csv("pred-header-only.csv", "no rows", "object_id,z_phot,z_spec\n")
    csv("pred-no-phot.csv", "z_phot", "object_id,z_spec\n1,0.1\n")
    csv("pred-no-spec.csv", "z_spec", "object_id,z_phot\n1,0.1\n")
    csv("pred-words.csv", "row|line", "object_id,z_phot,z_spec\n1,0.1,0.1\n2,high,0.2\n")
    csv("pred-short-row.csv", "row|line", "object_id,z_phot,z_spec\n1,0.1,0.1\n2,0.1\n")
    csv("pred-open-quote.csv", "quote|line|row", 'object_id,z_phot,z_spec\n1,"0.1,0.1\n')
    csv("pred-big-id.csv", "object_id", "object_id,z_phot,z_spec\n99999999999999999999,0.1,0.1\n")
    csv("pred-all-nan.csv", "z_phot", "object_id,z_phot,z_spec\n1,nan,0.1\n2,,0.1\n")


def directories(directory):
    bad = os.path.join(directory, "bad")
    for name in ("no-cutouts", "quoted"):
        os.makedirs(os.path.join(bad, name), exist_ok=True)
    open(os.path.join(bad, "no-cutouts", "notes.txt"), "w").write("nothing here\n")
    names = ["a,b.fits", 'say "c".fits', "plain.fits"]
    for i, name in enumerate(names):
        with open(os.path.join(bad, "quoted", name), "wb") as f:
            f.write(fits_image(cube(seed=i)))
    with open(os.path.join(bad, "quoted", "labels.csv"), "w", newline="") as f:
        f.write('file,"object_id",z_spec,comment\r\n'
                'plain.fits,9007199254740993,0.25,"one, two"\r\n'
                '"say ""c"".fits",9007199254740995,,"line\nbreak"\r\n'
                '"a,b.fits",9007199254740997,0.5,\r\n')
    with open(os.path.join(bad, "many.safetensors"), "wb") as f:
        header = st_header({}, {f"t{i}": ("F32", [1], bytes(4)) for i in range(20000)})
        f.write(st_bytes(header, bytes(80000)))


# ---- mutants


def lzw(data):
    """compress(1) with codes of 9 bits only: the dictionary stays at 256 entries more."""
    table, out, bits, count, word = {bytes([i]): i for i in range(256)}, bytearray(), 0, 0, b""

    def put(code):
        nonlocal bits, count
        bits |= code << count
        count += 9
        while count >= 8:
            out.append(bits & 255)
            bits >>= 8
            count -= 8

    for i in range(len(data)):
        longer = word + data[i : i + 1]
        if longer in table:
            word = longer
            continue
        put(table[word])
        if len(table) < 512:
            table[longer] = len(table)
        word = data[i : i + 1]
    put(table[word])
    if count:
        out.append(bits & 255)
    return b"\x1f\x9d\x09" + bytes(out)


def packed_kinds(directory):
    pixels = np.round(cube(), 3)
    plain = fits_image(pixels)
    kinds = {"gz": gzip.compress(plain, mtime=0), "bz2": bz2.compress(plain),
             "Z": lzw(plain), "plain": plain,
             "table": open(os.path.join(directory, "data.fits"), "rb").read()}
    try:
        from astropy.io import fits
    except ImportError:
        print("without astropy: no .fz mutants", file=sys.stderr)
        return kinds
    whole = np.clip(pixels * 1000 + 500, 0, None).astype(np.int32)
    options = {
        "rice": (pixels.astype(np.float32), {"compression_type": "RICE_1"}),
        "gzip": (pixels.astype(np.float32), {"compression_type": "GZIP_1"}),
        "gzip2": (whole, {"compression_type": "GZIP_2"}),
        "hcompress": (whole, {"compression_type": "HCOMPRESS_1", "tile_size": (32, 32, 1)}),
        "plio": (whole, {"compression_type": "PLIO_1"}),
    }
    for kind, (data, how) in options.items():
        path = os.path.join(directory, f"whole-{kind}.fz")
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, **how)]).writeto(
            path, overwrite=True)
        kinds[kind] = open(path, "rb").read()
    return kinds


def mutants(directory):
    """Header bytes, data bytes, lengths cut, blocks repeated; the seed is fixed."""
    rng = random.Random(7)
    for kind, whole in packed_kinds(directory).items():
        folder = os.path.join(directory, "mutants", kind)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "whole.fits"), "wb") as f:
            f.write(whole)
        for i in range(MUTANTS):
            blob = bytearray(whole)
            how = i % 4
            if how == 3:
                blob = blob[: rng.randrange(10, len(blob))]
            for _ in range((1, 4, 20, 2)[how]):
                at = rng.randrange(min(len(blob), 10), len(blob)) if len(blob) > 10 else 0
                blob[at] = rng.randrange(256) if rng.random() < 0.7 else rng.choice((0, 255))
            with open(os.path.join(folder, f"mutant-{i:02d}.fits"), "wb") as f:
                f.write(blob)


# ---- tools


def rss(command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(done.returncode, peak // 1024)


def same(csv_path, fits_path):
    rows = [line.split(",") for line in open(csv_path).read().splitlines()]
    blob = open(fits_path, "rb").read()
    for name, convert in (("object_id", int), ("z_phot", np.float32), ("flags", int)):
        column = rows[0].index(name)
        want = [convert(r[column]) for r in rows[1:]]
        found = fits_column(blob, name)
        if len(want) != len(found) or any(a != b for a, b in zip(want, found)):
            raise SystemExit(f"{fits_path}: {name} differs from {csv_path}")


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        byte = f.read(1)[0]
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte ^ 0x04]))


def files(directory):
    c = Cases(directory)
    hostile_headers(c)
    bad_models(c, directory)
    bad_data(c, directory)
    bad_fits(c, directory)
    tables(c)
    directories(directory)


if __name__ == "__main__":
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "rss":
        rss(args)
    elif verb == "flip":
        flip(args[0], int(args[1]))
    else:
        {"files": files, "mutants": mutants, "same": same}[verb](*args)
