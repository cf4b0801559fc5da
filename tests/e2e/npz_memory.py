"""What npz_memory.sh runs: see there."""
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

import numpy as np
from astropy.io import fits

ROWS = 977  # of 64 x 64 x 5 float32: 80 MB
LIMIT_MB = 100
GROWTH_MB = 4  # what a larger file may take more
LABELS = [("specObjID", "<i8"), ("imageID", "S12"), ("z", "<f4"), ("EBV", "<f4"),
          ("ra", "<f8"), ("dec", "<f8"), ("dered_petro_r", "<f4"), ("primtarget", "<i4")]
LABELS += [(f"modelMag_{b}", "<f4") for b in "ugriz"]
LABELS += [(f"cModelMag_{b}", "<f4") for b in "ugriz"]
LABELS += [(f"extinction_{b}", "<f4") for b in "ugriz"]

failures = 0


def check(ok, what):
    global failures
    failures += not ok
    print("ok   " if ok else "FAIL ", what)


def images(first, count):
    """Rows of the cube; noise that deflate can do something with."""
    rng = np.random.default_rng(first)
    return (rng.integers(-300, 3000, (count, 64, 64, 5)) / 64).astype("<f4")


def make_labels(count):
    rng = np.random.default_rng(1)
    rows = np.zeros(count, LABELS)
    rows["specObjID"] = (1 << 62) + np.arange(count) * 3 + 1
    rows["imageID"] = [b"f%d" % i for i in range(count)]
    rows["z"] = rng.uniform(0, 0.6, count)
    rows["EBV"] = rng.uniform(0, 0.2, count)
    rows["ra"] = rng.uniform(0, 360, count)
    rows["dec"] = rng.uniform(-10, 70, count)
    rows["dered_petro_r"] = rng.uniform(16, 19, count)
    rows["primtarget"] = rng.integers(0, 256, count)
    for name in rows.dtype.names:
        if "Mag_" in name:
            rows[name] = rng.uniform(15, 22, count)
        elif "extinction" in name:
            rows[name] = rng.uniform(0, 0.5, count)
    return rows


def header(descr, shape, version=1):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + b"\n"


def make_npz(path, count, deflated):
    """As numpy.savez does, but piece by piece."""
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        with archive.open("cube.npy", "w", force_zip64=True) as entry:
            entry.write(header("<f4", (count, 64, 64, 5)))
            for first in range(0, count, 64):
                entry.write(images(first, min(64, count - first)).tobytes())
        with archive.open("labels.npy", "w") as entry:
            np.save(entry, make_labels(count))


MEASURE = ("import resource, subprocess, sys\n"
           "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
           "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")


def run(*command):
    """Exit status, peak memory in MB and stderr of a run, measured in a process of its own."""
    done = subprocess.run([sys.executable, "-c", MEASURE, *command], text=True,
                          capture_output=True)
    status, peak = done.stdout.split()
    return int(status), int(peak) / 1024, done.stderr.strip()


def read_fits(path):
    with fits.open(path, memmap=True) as hdus:
        t = hdus["OBJECTS"].data
        return {"images": t["IMAGE"].reshape(len(t), 5, 64, 64), "z": t["Z"], "ebv": t["EBV"],
                "ra": t["RA"], "dec": t["DEC"], "mags": t["MAGS"],
                "object_id": t["OBJECT_ID"]}, hdus["OBJECTS"].header["MAGKIND"].strip()


def read_safetensors(path):
    kinds = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4"}
    blob = np.memmap(path, mode="r")
    size = int.from_bytes(blob[:8].tobytes(), "little")
    entries = json.loads(blob[8:8 + size].tobytes())
    kind = entries.pop("__metadata__")["mag_kind"]
    out = {}
    for name, e in entries.items():
        begin, end = (8 + size + o for o in e["data_offsets"])
        if e["dtype"] in kinds:
            out[name] = blob[begin:end].view(kinds[e["dtype"]]).reshape(e["shape"])
    return out, kind


def compare(name, found, kind, rows, chosen):
    """Every value of a converted file against the archive's."""
    mags = np.stack([(rows[f"modelMag_{b}"].astype("f8") -
                      rows[f"extinction_{b}"].astype("f8")).astype("f4") for b in "ugriz"], 1)
    wanted = {"z": rows["z"], "ebv": rows["EBV"], "ra": rows["ra"], "dec": rows["dec"],
              "mags": mags, "object_id": rows["specObjID"]}
    same = kind == "model" and len(found["images"]) == len(chosen)
    for key, value in wanted.items():
        same = same and np.array_equal(found[key], value[chosen])
    at = 0
    for first in range(0, len(rows), 64):
        block = images(first, min(64, len(rows) - first))
        here = chosen[(chosen >= first) & (chosen < first + 64)] - first
        expected = block[here].transpose(0, 3, 1, 2)
        same = same and np.array_equal(found["images"][at:at + len(here)], expected)
        at += len(here)
    check(bool(same), f"{name}: {len(chosen)} rows, every value as numpy has it")


def converts(zmae, folder):
    rows = make_labels(4 * ROWS)
    peaks = {}
    for kind in ("stored", "deflated"):
        for times in (1, 4):
            path = f"{folder}/{kind}.npz"
            out = f"{folder}/out" + (".fits" if kind == "stored" else ".safetensors")
            make_npz(path, times * ROWS, kind == "deflated")
            rows = make_labels(times * ROWS)
            status, peak, message = run(zmae, "prepare", "--cube", path, "--out", out,
                                        "--quiet")
            peaks[kind, times] = peak
            check(status == 0 and not message, f"{kind}, {times * 80} MB: {message or 'ok'}")
            check(peak < LIMIT_MB, f"{kind}, {times * 80} MB: {peak:.1f} MB of memory")
            found, mag_kind = (read_fits if kind == "stored" else read_safetensors)(out)
            compare(f"{kind}, {times * 80} MB", found, mag_kind, rows, np.arange(len(rows)))
            if times == 1:
                mgs = np.flatnonzero((rows["dered_petro_r"] <= 17.8) & (rows["z"] <= 0.4) &
                                     (rows["primtarget"] >= 64))
                for options, chosen in ((["--mgs"], mgs), (["--mgs", "--count", "9"], mgs[:9])):
                    status, _, message = run(zmae, "prepare", "--cube", path, "--out", out,
                                             "--quiet", *options)
                    found, mag_kind = (read_fits if kind == "stored" else read_safetensors)(out)
                    compare(f"{kind} {' '.join(options)}", found, mag_kind, rows, chosen)
            else:
                status, peak, message = run(zmae, "info", "--json", path)
                if kind == "stored":
                    check(status == 0 and peak < 50, f"info: {peak:.1f} MB {message}")
                else:
                    check(status == 3 and "zmae prepare --cube" in message,
                          f"info, deflated: {message}")
            del found
            os.remove(out)
            os.remove(path)
        more = peaks[kind, 4] - peaks[kind, 1]
        check(more < GROWTH_MB, f"{kind}: {more:.1f} MB more for four times the file")


def zeros_crc(crc, count):
    block = bytes(1 << 26)
    for first in range(0, count, len(block)):
        crc = zlib.crc32(block[:min(len(block), count - first)], crc)
    return crc


def make_sparse(path, count, last):
    """A stored archive beyond 4 GiB that is a hole up to its last rows: zip64 by hand."""
    labels = make_labels(count)
    labels["primtarget"][:-len(last)] = 0
    labels["primtarget"][-len(last):] = 64
    labels["z"], labels["dered_petro_r"] = 0.1, 17
    table = io.BytesIO()
    np.save(table, labels)
    head = header("<f4", (count, 64, 64, 5))
    hole = (count - len(last)) * 81920
    crc = zlib.crc32(last.tobytes(), zeros_crc(zlib.crc32(head), hole))
    size = len(head) + hole + last.nbytes
    with zipfile.ZipFile(path, "w") as archive:  # labels first: the cube follows by hand
        archive.writestr("labels.npy", table.getvalue())
        start = archive.start_dir
        directory = archive.filelist[0]
    with open(path, "r+b") as f:
        f.seek(start)
        both = struct.pack("<HHHHHIII", 45, 0, 0, 0, 33, crc, 2 ** 32 - 1, 2 ** 32 - 1)
        f.write(b"PK\3\4" + both + struct.pack("<HH", 8, 20) + b"cube.npy" +
                struct.pack("<HHQQ", 1, 16, size, size) + head)
        f.seek(hole, 1)
        f.write(last.tobytes())
        central = f.tell()
        f.write(b"PK\1\2" + struct.pack("<HHHHHHIIIHHHHHII", 45, 20, 0, 0, 0, 33, directory.CRC,
                                        directory.compress_size, directory.file_size, 10, 0, 0,
                                        0, 0, 0, 0) + b"labels.npy")
        f.write(b"PK\1\2" + struct.pack("<H", 45) + both +
                struct.pack("<HHHHHII", 8, 20, 0, 0, 0, 0, start) + b"cube.npy" +
                struct.pack("<HHQQ", 1, 16, size, size))
        end = f.tell()
        f.write(b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2, 2, end - central,
                                        central))
        f.write(b"PK\6\7" + struct.pack("<IQI", 0, end, 1))
        f.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 2, 2, end - central, 2 ** 32 - 1, 0))
    return labels


def beyond_four_gib(zmae, folder):
    path, out = f"{folder}/large.npz", f"{folder}/out.fits"
    last = images(5, 3)
    labels = make_sparse(path, 54000, last)
    if os.stat(path).st_blocks * 512 > 1 << 28:
        print("skip  4.4 GB: this file system has no sparse files")
    else:
        status, peak, message = run(zmae, "info", "--json", path)
        check(status == 0 and peak < LIMIT_MB, f"info, 4.4 GB: {peak:.1f} MB {message}")
        status, peak, message = run(zmae, "prepare", "--cube", path, "--mgs", "--out", out,
                                    "--quiet")
        check(status == 0 and peak < LIMIT_MB, f"4.4 GB: {peak:.1f} MB {message}")
        found, _ = read_fits(out)
        check(np.array_equal(found["images"], last.transpose(0, 3, 1, 2)) and
              np.array_equal(found["object_id"], labels["specObjID"][-3:]),
              "rows beyond 4 GiB are read exactly")
        del found
        os.remove(out)
    os.remove(path)


def predicts(zmae, folder):
    """A stored archive gives the redshifts that its conversion gives."""
    small = ["--image", "16", "--patch", "8", "--width", "32", "--depth", "2", "--heads", "2",
             "--decoder-width", "32", "--decoder-depth", "1", "--decoder-heads", "2"]
    path, data, model = (f"{folder}/{n}" for n in ("d.npz", "d.fits", "pre"))
    make_npz(path, 40, False)
    os.environ["ZMAE_DEVICE"] = "cpu"
    steps = [["prepare", "--cube", path, "--out", data],
             ["pretrain", "--data", path, "--out", model, "--steps", "2", "--batch", "8", *small],
             ["finetune", "--data", path, "--init", f"{model}/model.safetensors", "--out",
              f"{folder}/fine", "--steps", "2", "--batch", "8"]]
    steps += [["predict", "--model", f"{folder}/fine/model.safetensors", "--data", file, "--out",
               f"{file}.csv"] for file in (path, data)]
    for step in steps:
        status, _, message = run(zmae, *step, "--quiet")
        check(status == 0, f"{step[0]} with npz data: {message or 'ok'}")
    tables = [open(f"{file}.csv").read() for file in (path, data)]
    check(tables[0].count("\n") == 41 and tables[0] == tables[1],
          "predictions of the archive and of its conversion are the same")


def pack(entries):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return data.getvalue()


class Payload:
    def __reduce__(self):
        return os.system, ("touch executed",)


def hostile_archives():
    cube = header("<f4", (2, 64, 64, 5)) + bytes(2 * 81920)
    labels = io.BytesIO()
    np.save(labels, make_labels(2))
    good = {"cube.npy": cube, "labels.npy": labels.getvalue()}
    objects = io.BytesIO()
    np.save(objects, np.array([Payload()], dtype=object), allow_pickle=True)
    deep = b"[" * 60000
    whole = pack(good)
    yield "good", whole, None
    yield "truncated", whole[:len(whole) // 2], "zip"
    yield "last byte missing", whole[:-1], "zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cube.npy", header("<f4", (2, 64, 64, 5)) + images(0, 2).tobytes())
    packed = bytearray(packed.getvalue())
    packed[len(packed) // 2] ^= 255
    yield "damaged deflate stream", bytes(packed), "cube.npy"
    flipped = bytearray(whole)
    flipped[flipped.find(labels.getvalue()) + labels.getbuffer().nbytes - 1] ^= 1
    yield "flipped bit in stored labels", bytes(flipped), "checksum"
    yield "three bands", pack({"cube.npy": header("<f4", (2, 64, 64, 3)) + bytes(98304)}), "N, H, W, 5"
    yield "two axes", pack({"cube.npy": header("<f4", (2, 5)) + bytes(40)}), "N, H, W, 5"
    yield "no cutout", pack({"cube.npy": header("<f4", (0, 64, 64, 5))}), "N, H, W, 5"
    yield "shape beyond the data", pack(
        {"cube.npy": header("<f4", (10 ** 9, 64, 64, 5)) + bytes(81920)}), "expected the data"
    yield "shape beyond 64 bits", pack(
        {"cube.npy": header("<f4", (2 ** 62, 2 ** 62, 2 ** 62, 5))}), "expected the data"
    yield "cube of objects", pack({"cube.npy": objects.getvalue()}), "Python objects"
    yield "cube is a pickle", pack({"cube.npy": pickle.dumps(Payload())}), "numpy array"
    yield "column of objects", pack({"cube.npy": cube, "labels.npy": header(
        [("z", "<f4"), ("name", "|O")], (2,)) + bytes(24)}), "Python objects"
    yield "labels of objects", pack({"cube.npy": cube, "labels.npy": objects.getvalue()}), "objects"
    yield "other number of labels", pack({"cube.npy": cube, "labels.npy": header(
        [("z", "<f4")], (3,)) + bytes(12)}), "one row a cutout"
    yield "labels without names", pack({"cube.npy": cube, "labels.npy": header(
        "<f4", (2,)) + bytes(8)}), "record array"
    yield "header of 4 GB", pack(
        {"cube.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100)}), "npy header"
    yield "header that calls", pack({"cube.npy": b"\x93NUMPY\x01\x00\x27\x00" +
                                     b"__import__('os').system('touch executed')"[:39]}), "npy header"
    yield "deep header", pack({"cube.npy": b"\x93NUMPY\x01\x00" + struct.pack(
        "<H", len(deep)) + deep}), "npy header"
    yield "record of a megabyte", pack({"cube.npy": cube, "labels.npy": header(
        [("z", "|V99999999")], (2,), 2)}), "is no type"
    yield "no cube", pack({"other.npy": cube}), "array cube"


def refuses(zmae, folder):
    path, out = f"{folder}/bad.npz", f"{folder}/out.fits"
    for name, data, reason in hostile_archives():
        with open(path, "wb") as f:
            f.write(data)
        for verb in (["prepare", "--cube", path, "--out", out, "--quiet"], ["info", path]):
            status, peak, message = run(zmae, *verb)
            if reason is None:
                check(status == 0, f"{verb[0]}: {name} {message}")
                continue
            about = reason in message
            check(status == 3 and about and peak < 50 and message.count("\n") == 0,
                  f"{verb[0]}: {name}: {status}, {peak:.0f} MB: {message[-150:]}")
        if reason is None:
            os.remove(out)
        check(sorted(os.listdir(folder)) == ["bad.npz"], f"{name}: nothing left behind")


def main():
    zmae = os.path.realpath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        converts(zmae, folder)
        beyond_four_gib(zmae, folder)
        refuses(zmae, folder)
    with tempfile.TemporaryDirectory() as folder:
        predicts(zmae, folder)
    print("failures:", failures)
    sys.exit(failures > 0)


main()
