#!/usr/bin/python3
"""What predict writes of redshift distributions, read back with astropy and numpy alone.

    /usr/bin/python3 tests/e2e/check_qp.py [--zmae build/zmae] [--keep DIR]

Trains tiny models with every head, predicts as CSV, FITS and qp, singly, as an ensemble
and of a directory, and compares: the distributions of FITS and qp with each other, every
number read off a distribution with numpy's, the columns of CSV with those of FITS, the
pool of two models with the mean of both, the header with the files. The qp file is read by
the rules of LSST-DESC qp (tables meta, data, ancil; names in lower case) and, where that
package is installed, by qp itself. Exit status 1 if any line failed.
"""
import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from astropy.io import fits

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))

import st  # noqa: E402

OBJECTS, BLIND, BINS, Z_MAX = 60, 7, 90, 0.45
NO_IMAGE = 1 << 7
SMALL = ("--blocks plain --width 32 --depth 1 --heads 2 --decoder-width 32 "
         "--decoder-depth 1 --decoder-heads 2").split()
FLOAT_EPS = 2.0 ** -23  # relative spacing of float32


class Report:
    def __init__(self):
        self.failures = 0

    def claim(self, good, text, note=""):
        self.failures += not good
        print(f"{'ok  ' if good else 'FAIL'}  {text}{'  ' + str(note) if note else ''}")

    def close(self, a, b, tolerance, text):
        """max |a - b| <= tolerance; NaN must stand at the same places."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
            return self.claim(False, text, f"shapes {a.shape} {b.shape} or NaN differ")
        worst = float(np.nanmax(np.abs(a - b)))
        return self.claim(worst <= tolerance, text, f"{worst:.1e} of {tolerance:.1e}")


def prepare(zmae, join):
    """Data and models; the row BLIND is marked as having no image."""
    def run(*words):
        subprocess.run([zmae, *words, "--quiet"], check=True)

    run("simulate", "--count", str(OBJECTS), "--size", "40", "--seed", "5", "--out",
        join("sky.safetensors"))
    tensors, meta = st.read(join("sky.safetensors"))
    tensors["flags"] = np.zeros(OBJECTS, np.int32)
    tensors["flags"][BLIND] = NO_IMAGE
    tensors["object_id"] = tensors["object_id"] + 2 ** 60 + 1
    tensors["ra"] = np.linspace(0, 359, OBJECTS) + 1 / 3
    tensors["dec"] = np.linspace(-89, 89, OBJECTS)
    st.write(join("data.safetensors"), tensors, meta)
    run("pretrain", "--data", join("sky.safetensors"), "--out", join("mae"), "--steps",
        "2", "--batch", "16", *SMALL)
    for head in ("pdf", "gauss", "regression"):
        grid = [] if head == "regression" else ["--bins", str(BINS), "--z-range",
                                                f"0,{Z_MAX}"]
        run("finetune", "--data", join("sky.safetensors"), "--init",
            join("mae/model.safetensors"), "--out", join(head), "--head", head,
            "--branches", "encoder,magnitudes", "--steps", "40", "--batch", "16", "--lr",
            "2e-3", *grid)
    directory = join("cubes")
    os.mkdir(directory)
    for i, name in enumerate(("b.fits", "a,comma.fits", "c.fits")):
        fits.PrimaryHDU(tensors["images"][i]).writeto(os.path.join(directory, name))


def distribution_rows(report, zmae, join, head):
    """Every column of a FITS table against numpy on its own pdf column."""
    out = join(f"{head}.fits")
    subprocess.run([zmae, "predict", "--model", join(f"{head}/model.safetensors"), "--data",
                    join("data.safetensors"), "--out", out, "--points", "--quiet"],
                   check=True)
    with fits.open(out, checksum=True) as hdus:
        sums = all(h.header.get("DATASUM") and h.header.get("CHECKSUM")
                   and h.verify_checksum() == 1 and h.verify_datasum() == 1 for h in hdus)
        report.claim(sums and len(hdus) == 3, f"{head}: every HDU has its checksums")
        table, header = np.array(hdus["PREDICTIONS"].data), hdus["PREDICTIONS"].header
        grid = np.array(hdus["ZGRID"].data)
    edges = np.append(grid["z_lo"], grid["z_hi"][-1])
    report.close(edges, np.linspace(0, Z_MAX, BINS + 1), 1e-15, f"{head}: ZGRID has the bins")
    report.close(grid["z_mid"], (edges[1:] + edges[:-1]) / 2, 1e-15, f"{head}: z_mid")
    p = table["pdf"].astype(float)
    seen = np.arange(OBJECTS) != BLIND
    report.claim(np.isnan(p[BLIND]).all() and np.isnan(table["z_phot"][BLIND])
                 and table["flags"][BLIND] & NO_IMAGE, f"{head}: no image, no redshift")
    # every probability is rounded by half of it, and so is the number compared with
    tolerance = FLOAT_EPS
    report.close(p[seen].sum(axis=1), np.ones(OBJECTS - 1), tolerance, f"{head}: sums are 1")
    mid, width = grid["z_mid"], Z_MAX / BINS
    mean = p @ mid
    sd = np.sqrt((p * ((mid - mean[:, None]) ** 2 + width ** 2 / 12)).sum(axis=1))
    report.close(table["z_mean"], mean, tolerance, f"{head}: z_mean")
    report.claim(np.array_equal(table["z_phot"], table["z_mean"], equal_nan=True),
                 f"{head}: z_phot is the mean")
    report.close(table["z_phot_err"], sd, tolerance, f"{head}: z_phot_err")
    report.claim(np.array_equal(table["z_mode"][seen],
                                mid[p[seen].argmax(axis=1)].astype(np.float32)),
                 f"{head}: z_mode is the fullest bin")
    for name, q in (("z025", .025), ("z160", .16), ("z500", .5), ("z840", .84),
                    ("z975", .975)):
        f = np.concatenate([np.zeros((OBJECTS, 1)), np.cumsum(p, axis=1)], axis=1)
        found = np.array([np.interp(z, edges, row) for z, row in zip(table[name], f)])
        # z is a float, and the density may be steep there
        steep = np.nanmax(p) / width * Z_MAX * FLOAT_EPS
        report.close(found[seen], np.full(OBJECTS - 1, q), tolerance + steep,
                     f"{head}: F({name}) is {q}")
    report.claim(np.array_equal(table["z500"], table["z_median"], equal_nan=True),
                 f"{head}: z500 is the median")
    with open(join(f"{head}/model.safetensors"), "rb") as f:
        sha = hashlib.sha256(f.read()).hexdigest()
    report.claim(header["MODELSHA"] == sha and header["MODEL"] == "model.safetensors"
                 and header["HEAD"] == head and header["CALIB"] == "none"
                 and not header["TTA"] and header["CREATOR"].startswith("zmae "),
                 f"{head}: the header says where the numbers come from")
    return table, grid


def qp_rows(report, zmae, join, head, table, grid):
    """The qp layout by its rules, against the FITS table of the same model."""
    out = join(f"{head}.qp.fits")
    subprocess.run([zmae, "predict", "--model", join(f"{head}/model.safetensors"), "--data",
                    join("data.safetensors"), "--out", out, "--format", "qp", "--quiet"],
                   check=True)
    with fits.open(out, checksum=True) as hdus:
        tables = {h.name.lower(): {n.lower(): np.array(h.data[n]) for n in h.columns.names}
                  for h in hdus[1:]}
        report.claim(all(h.verify_checksum() == 1 for h in hdus), f"{head} qp: checksums")
    meta, data, ancil = (tables[n] for n in ("meta", "data", "ancil"))
    report.claim(meta["pdf_name"].tolist() == ["interp"] and meta["pdf_version"] == [0]
                 and meta["xvals"].shape == (1, BINS) and data["yvals"].shape == (OBJECTS, BINS),
                 f"{head} qp: meta says interp, version 0")
    x, y, width = meta["xvals"][0], data["yvals"], Z_MAX / BINS
    report.claim(np.array_equal(x, grid["z_mid"]), f"{head} qp: xvals are the centres")
    report.close(y * width, table["pdf"], FLOAT_EPS, f"{head} qp: yvals are FITS's pdf")
    seen = np.arange(OBJECTS) != BLIND
    inside = 1 - (y[:, 0] + y[:, -1]) * width / 2  # half of each outer bin lies outside
    report.close(np.trapz(y, x, axis=1)[seen], inside[seen], 1e-13,
                 f"{head} qp: the trapezoids are 1 but for the outer half bins")
    for name, column in (("zmean", "z_mean"), ("zmedian", "z_median"), ("zmode", "z_mode"),
                         ("redshift", "z_spec"), ("object_id", "object_id"),
                         ("flags", "flags"), ("ra", "ra"), ("dec", "dec")):
        same = np.array_equal(ancil[name].astype(table[column].dtype.newbyteorder("=")),
                              table[column], equal_nan=True)
        report.claim(same, f"{head} qp: {name} is {column}")
    try:
        import qp
    except ImportError:
        print(f"skip  {head} qp: the package qp is not installed")
        return
    ensemble = qp.read(out)
    report.close(ensemble.pdf(x[5:6])[seen], (y[:, 5:6] / np.trapz(y, x, axis=1)[:, None])[seen],
                 1e-9, f"{head} qp: qp itself reads it")


def csv_rows(report, zmae, join, table):
    out = join("pdf.csv")
    subprocess.run([zmae, "predict", "--model", join("pdf/model.safetensors"), "--data",
                    join("data.safetensors"), "--out", out, "--points", "--quiet"], check=True)
    with open(out, newline="") as f:
        rows = list(csv.DictReader(f))
    names = [n for n in table.dtype.names if n != "pdf"]
    report.claim(list(rows[0]) == names, "csv: the columns of FITS, without the pdf", names)
    for name in names:
        kind = table[name].dtype.newbyteorder("=")
        read = [r[name] or "nan" for r in rows]
        values = [int(v) for v in read] if kind.kind == "i" else [float(v) for v in read]
        report.claim(np.array_equal(np.array(values).astype(kind), table[name], equal_nan=True),
                     f"csv: {name} is that of FITS, bit for bit")
    report.claim(rows[BLIND]["z_phot"] == "nan" and rows[BLIND]["z_phot_err"] == "",
                 "csv: no prediction is nan, what follows from it is missing")


def pools(report, zmae, join, tables):
    """Two models in one go are the mean of both."""
    out = join("both.fits")
    names = ",".join(join(f"{h}/model.safetensors") for h in ("pdf", "gauss"))
    subprocess.run([zmae, "predict", "--model", names, "--data", join("data.safetensors"),
                    "--out", out, "--quiet"], check=True)
    with fits.open(out) as hdus:
        table, header = np.array(hdus[1].data), hdus[1].header
    mean = (tables[0]["pdf"].astype(float) + tables[1]["pdf"]) / 2
    report.close(table["pdf"], mean, FLOAT_EPS, "two models: the mean of both pdfs")
    report.claim(header["NMODELS"] == 2 and header["HEAD2"] == "gauss", "two models: header")
    out = join("none.fits")
    subprocess.run([zmae, "predict", "--model", join("pdf/model.safetensors"), "--data",
                    join("data.safetensors"), "--out", out, "--no-pdf", "--point", "median",
                    "--quiet"], check=True)
    with fits.open(out) as hdus:
        report.claim(len(hdus) == 2 and "pdf" not in hdus[1].columns.names
                     and np.array_equal(hdus[1].data["z_phot"], tables[0]["z_median"],
                                        equal_nan=True),
                     "--no-pdf --point median: no pdf, z_phot is the median")


def calibrated(report, zmae, join):
    """A calibration shows in the header, and none takes it away again, byte for byte."""
    subprocess.run([zmae, "simulate", "--count", "150", "--size", "40", "--seed", "6",
                    "--out", join("held.safetensors"), "--quiet"], check=True)
    for source, target, method in (("pdf/model", "calibrated", "quantile"),
                                   ("calibrated", "plain", "none")):
        subprocess.run([zmae, "calibrate", "--model", join(f"{source}.safetensors"), "--data",
                        join("held.safetensors"), "--out", join(f"{target}.safetensors"),
                        "--method", method, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    _, meta = st.read(join("calibrated.safetensors"))
    record = json.loads(meta["zmae"])["calibration"]
    report.claim(record["kind"] == "quantile" and record["objects"] == 150
                 and len(record["map"]) == 101, "calibrate: the model keeps it")
    with open(join("plain.safetensors"), "rb") as a, \
            open(join("pdf/model.safetensors"), "rb") as b:
        report.claim(a.read() == b.read(), "calibrate --method none: the model as it was")
    subprocess.run([zmae, "predict", "--model", join("calibrated.safetensors"), "--data",
                    join("data.safetensors"), "--out", join("c.fits"), "--quiet"], check=True)
    with fits.open(join("c.fits")) as hdus:
        header = hdus[1].header
        report.claim(header["CALIB"] == "quantile" and header["CALIBN"] == 150,
                     "calibrate: the header of predictions says so")


def calibrated_in_training(report, zmae, join):
    """finetune --calibrate: each file's calibration is that of its own weights."""
    words = [zmae, "finetune", "--data", join("held.safetensors"), "--init",
             join("pdf/model.safetensors"), "--steps", "12", "--val-every", "4", "--batch",
             "16", "--val", "0.7", "--calibrate", "temperature", "--lr", "1e-2",
             "--quiet", "--out"]
    subprocess.run([*words, join("tuned")], check=True)
    records = {}
    for name in ("best", "model"):
        _, meta = st.read(join(f"tuned/{name}.safetensors"))
        records[name] = json.loads(meta["zmae"])["calibration"]
    count = records["model"]["objects"]
    report.claim(records["best"]["objects"] == count and 100 <= count <= 110,
                 "finetune --calibrate: learnt on the validation part", records)
    report.claim(records["best"]["temperature"] != records["model"]["temperature"],
                 "finetune --calibrate: best and last have their own")
    with open(join("tuned/model.safetensors"), "rb") as f:
        before = f.read()
    os.remove(join("tuned/model.safetensors"))
    subprocess.run([*words, join("tuned"), "--resume", "auto"], check=True)
    with open(join("tuned/model.safetensors"), "rb") as f:
        report.claim(f.read() == before, "finetune --calibrate: the same after a resume")
    for extra, reason in ((["--val", "0"], "--val"), (["--head", "regression"], "--head")):
        result = subprocess.run([*words, join("no"), *extra], capture_output=True, text=True)
        report.claim(result.returncode == 2 and reason in result.stderr
                     and not os.path.exists(join("no")),
                     f"finetune --calibrate {' '.join(extra)}: refused with the reason")


def refusals(report, zmae, join):
    result = subprocess.run([zmae, "predict", "--model", join("regression/model.safetensors"),
                             "--data", join("data.safetensors"), "--out", join("r.fits"),
                             "--format", "qp"], capture_output=True, text=True)
    report.claim(result.returncode == 2 and "no distribution" in result.stderr
                 and not os.path.exists(join("r.fits")), "regression: qp is refused with the reason")
    result = subprocess.run([zmae, "predict", "--model",
                             join("pdf/model.safetensors") + "," +
                             join("regression/model.safetensors"), "--data",
                             join("data.safetensors"), "--out", join("r.fits")],
                            capture_output=True, text=True)
    report.claim(result.returncode == 3 and "cannot be averaged" in result.stderr,
                 "a pdf and a regression model do not mix")
    result = subprocess.run([zmae, "calibrate", "--model",
                             join("regression/model.safetensors"), "--data",
                             join("data.safetensors"), "--out", join("r.safetensors")],
                            capture_output=True, text=True)
    report.claim(result.returncode == 3 and "only a distribution" in result.stderr
                 and not os.path.exists(join("r.safetensors")),
                 "regression: calibrate is refused with the reason")


def directory_rows(report, zmae, join):
    for name in ("d.csv", "d.fits"):
        subprocess.run([zmae, "predict", "--model", join("regression/model.safetensors"),
                        "--data", join("cubes"), "--out", join(name), "--quiet"], check=True)
    with open(join("d.csv"), newline="") as f:
        names = [r["file"] for r in csv.DictReader(f)]
    with fits.open(join("d.fits")) as hdus:
        stored = [str(n) for n in hdus[1].data["file"]]
        columns = hdus[1].columns.names
    wanted = ["a,comma.fits", "b.fits", "c.fits"]
    report.claim(names == wanted and stored == wanted, "directory: rows say their file")
    report.claim("pdf" not in columns and "z_phot_err" not in columns,
                 "regression: nothing that the model does not say")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zmae", default=os.path.join(ROOT, "build", "zmae"))
    parser.add_argument("--keep", help="work in this new directory and leave it")
    args = parser.parse_args()
    os.environ.setdefault("ZMAE_DEVICE", "cpu")
    zmae, report = os.path.abspath(args.zmae), Report()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.keep or temporary
        os.makedirs(work, exist_ok=True)

        def join(name):
            return os.path.join(work, name)

        prepare(zmae, join)
        tables = []
        for head in ("pdf", "gauss"):
            table, grid = distribution_rows(report, zmae, join, head)
            qp_rows(report, zmae, join, head, table, grid)
            tables.append(table)
        csv_rows(report, zmae, join, tables[0])
        pools(report, zmae, join, tables)
        calibrated(report, zmae, join)
        calibrated_in_training(report, zmae, join)
        refusals(report, zmae, join)
        directory_rows(report, zmae, join)
    print(f"{report.failures} failed")
    sys.exit(report.failures > 0)


if __name__ == "__main__":
    main()
