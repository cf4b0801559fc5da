#!/usr/bin/python3
"""Cuts the 50 ready cutouts of real SDSS fields again, and compares.

    /usr/bin/python3 tests/e2e/check_prepare.py [--zmae build/zmae] [--data DIR]

Frames and positions are those of DIR/sdss-frames and DIR/sdss-cutouts/labels.csv [$ZMAE_DATA,
else ../shared/data]; the cutouts there were made by another program with a cubic spline. A
band agrees where the correlation of the pixels is above 0.995 (every object) and the sums over
the cutout are within 2 % in g, r, i (isolated objects, quality ok). Registration is judged by
itself: the shift that fits best between the two must be below 0.05 pixels in g, r and i. The
data set must have every position in order, whole, without flags, and be the same on one thread
and on two. Exit status 77: no data.
"""
import argparse
import csv
import os
import subprocess
import sys
import tempfile

import numpy as np
from astropy.io import fits

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BANDS = "ugriz"
CORRELATION, FLUX, SHIFT = 0.995, 0.02, 0.05


def default_data():
    beside = os.path.join(os.path.dirname(ROOT), "shared", "data")
    return os.environ.get("ZMAE_DATA", beside)


def shift_between(ours, theirs):
    """Offset (pixels) of ours against theirs, by least squares on the gradient."""
    gy, gx = np.gradient(theirs)
    scale = np.vdot(ours, theirs) / np.vdot(theirs, theirs)
    slopes = np.stack([gx.ravel(), gy.ravel()], axis=1) * scale
    move, *_ = np.linalg.lstsq(slopes, (ours - scale * theirs).ravel(), rcond=None)
    return float(np.hypot(*move))


def prepare(zmae, data, out, threads):
    command = [zmae, "prepare", "--frames", os.path.join(data, "sdss-frames"), "--catalog",
               os.path.join(data, "sdss-cutouts", "labels.csv"), "--out", out, "--threads",
               str(threads), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 or done.stdout:
        sys.exit(f"prepare: exit status {done.returncode}: {done.stderr}{done.stdout}")


def check_table(table, labels):
    """What is wrong with the rows, beside their pixels."""
    wrong = []
    if len(table) != len(labels):
        return [f"{len(table)} rows, expected {len(labels)}"]
    for i, row in enumerate(labels):
        if table["RA"][i] != float(row["ra"]) or table["DEC"][i] != float(row["dec"]):
            wrong.append(f"row {i}: position")
        if abs(table["EBV"][i] - float(row["ext_r"]) / 2.751) > 1e-6:
            wrong.append(f"row {i}: E(B-V) {table['EBV'][i]}")
    if np.any(table["FLAGS"] != 0) or np.any(table["COVERAGE"] != 1):
        wrong.append(f"flags {set(table['FLAGS'])}, coverage {table['COVERAGE'].min()}")
    given = np.array([[float(row[f"{b}_dered"]) for b in BANDS] for row in labels])
    if np.abs(table["MAGS"] - given).max() > 1e-5:
        wrong.append("magnitudes")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zmae", default=os.path.join(ROOT, "build", "zmae"))
    parser.add_argument("--data", default=default_data())
    args = parser.parse_args()
    folder = os.path.join(args.data, "sdss-cutouts")
    if not os.path.isdir(folder) or not os.path.isdir(os.path.join(args.data, "sdss-frames")):
        print(f"no development data: {args.data} (set ZMAE_DATA)")
        sys.exit(77)
    with open(os.path.join(folder, "labels.csv"), newline="") as f:
        labels = list(csv.DictReader(f))

    with tempfile.TemporaryDirectory() as temp:
        one, two = (os.path.join(temp, name) for name in ("one.fits", "two.fits"))
        prepare(args.zmae, args.data, one, 1)
        prepare(args.zmae, args.data, two, 2)
        same = open(one, "rb").read() == open(two, "rb").read()
        table = np.array(fits.getdata(one, "OBJECTS"))
    wrong = check_table(table, labels)
    if not same:
        wrong.append("one thread and two give different files")

    worst = {"correlation": [(2.0, "")] * 5, "flux": [(-1.0, "")] * 5, "shift": [(-1.0, "")] * 5}
    isolated = 0
    for row, ours in zip(labels, table["IMAGE"].astype(np.float64)):
        theirs = fits.getdata(os.path.join(folder, row["file"])).astype(np.float64)
        isolated += row["quality"] == "ok"
        for b, (a, c) in enumerate(zip(ours, theirs)):
            name = row["file"][5:-5]
            found = float(np.corrcoef(a.ravel(), c.ravel())[0, 1])
            worst["correlation"][b] = min(worst["correlation"][b], (found, name))
            worst["shift"][b] = max(worst["shift"][b], (shift_between(a, c), name))
            if row["quality"] == "ok":
                worst["flux"][b] = max(worst["flux"][b], (abs(a.sum() / c.sum() - 1), name))

    limits = {"correlation": lambda v, b: v > CORRELATION,
              "flux": lambda v, b: v < FLUX or b not in "gri",
              "shift": lambda v, b: v < SHIFT or b not in "gri"}
    failed = bool(wrong) or isolated == 0
    print(f"{len(labels)} cutouts, {isolated} of isolated objects; worst values:")
    for what, bands in worst.items():
        for b, (value, name) in zip(BANDS, bands):
            good = limits[what](value, b)
            failed |= not good
            print(f"{what:12} {b}  {value:9.6f}  {'ok' if good else 'FAIL'}  {name}")
    for text in wrong:
        print(f"FAIL  {text}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
