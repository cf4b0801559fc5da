#!/usr/bin/python3
"""Small SDSS-like frames with stars of known place and flux, whole and spoilt.

    make_frames.py cases DIR              writes frames and catalogues, prints a line a case:
                                          NAME FRAMES CATALOG STATUS FLAGS REGEX, tabs between
    make_frames.py check OUT FLAGS        rows, flags and coverage of a data set
    make_frames.py stars OUT              places and fluxes of the stars of a data set

FLAGS: one number a row, only the bits that prepare sets (64 to 1024); "none" = no output. Two
fields side by side, 320 x 256 pixels, bands some pixels apart, turned against north; three
stars in the first, one in the second, each with a companion 3.96 arcsec north and 5.94 east.
"""
import bz2
import csv
import gzip
import json
import os
import shutil
import sys
import warnings

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

warnings.simplefilter("ignore")
BANDS = "ugriz"
FRAMES_LATER = dict(u=4, g=8, r=0, i=2, z=6)  # FRAME of a band less the field's number
WIDTH, HEIGHT, SCALE, TURN = 320, 256, 0.396, np.radians(56.0)
FIELDS = {101: (150.0, 2.0), 102: (150.05, 2.0)}
STARS = [(150.0, 2.0), (150.004, 2.003), (149.9955, 1.9975), (150.05, 2.001)]
FLUX = dict(u=50.0, g=100.0, r=200.0, i=250.0, z=300.0)  # nanomaggies
FWHM, COMPANION = 3.2, 0.25
NORTH, EAST = 3.96, 5.94  # arcsec
OFF, NO_IMAGE, MISSING, DUPLICATE, BAD_ROW = 64, 128, 256, 512, 1024
MINE = OFF | NO_IMAGE | MISSING | DUPLICATE | BAD_ROW


def frame_header(field, band):
    k = BANDS.index(band)
    h = fits.Header()
    h["RUN"], h["CAMCOL"], h["FRAME"] = 1000, 3, field + FRAMES_LATER[band]
    h["FILTER"] = band
    h["SOFTBIAS"] = 1000  # as real corrected frames have it, without meaning
    h["BUNIT"] = "nanomaggy"
    h["RADECSYS"] = "ICRS"
    h["CTYPE1"], h["CTYPE2"] = "RA---TAN", "DEC--TAN"
    h["CRPIX1"], h["CRPIX2"] = WIDTH / 2 + 2.3 * k, HEIGHT / 2 - 1.7 * k
    h["CRVAL1"], h["CRVAL2"] = FIELDS[field]
    s = SCALE / 3600
    h["CD1_1"], h["CD1_2"] = s * np.cos(TURN), s * np.sin(TURN)
    h["CD2_1"], h["CD2_2"] = s * np.sin(TURN), -s * np.cos(TURN)
    return h


def frame_image(header, band, rng):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = rng.normal(0, 0.01, (HEIGHT, WIDTH))
    wcs, sigma = WCS(header), FWHM / 2.3548
    for ra, dec in STARS:
        for flux, e, n in ((1.0, 0, 0), (COMPANION, EAST, NORTH)):
            px, py = wcs.all_world2pix(ra + e / 3600 / np.cos(np.radians(dec)),
                                       dec + n / 3600, 0)
            star = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma ** 2))
            image += FLUX[band] * flux * star / (2 * np.pi * sigma ** 2)
    return image.astype(np.float32)


def frame_name(field, band):
    return f"frame-{band}-001000-3-{field:04d}.fits"


def write_good(folder):
    rng = np.random.default_rng(1)
    os.makedirs(folder)
    for field in FIELDS:
        for band in BANDS:
            header = frame_header(field, band)
            fits.PrimaryHDU(frame_image(header, band, rng), header).writeto(
                os.path.join(folder, frame_name(field, band)))


def write_catalog(path, rows, names=("objID", "ra", "dec", "ebv")):
    with open(path, "w", newline="") as f:
        f.write("#Table1\n")
        csv.writer(f).writerows([names, *rows])


class Cases:
    def __init__(self, folder):
        self.folder = folder
        self.good = os.path.join(folder, "good")
        write_good(self.good)
        self.rows = [[i + 1, ra, dec, 0.05] for i, (ra, dec) in enumerate(STARS)]
        self.stars = self.catalog("stars", self.rows)

    def catalog(self, name, rows, **other):
        path = os.path.join(self.folder, name + ".csv")
        write_catalog(path, rows, **other)
        return path

    def frames(self, name):
        """A copy of the good frames, to spoil."""
        return shutil.copytree(self.good, os.path.join(self.folder, name))

    @staticmethod
    def line(name, frames, catalog, status, flags, regex=""):
        flags = "none" if flags is None else ",".join(str(f) for f in flags)
        print(name, frames, catalog, status, flags, regex or "^$", sep="\t")

    def spoil(self, name, band, change, regex, flags=(MISSING, MISSING, MISSING, 0)):
        """One frame of the first field changed: its rows lack a band, the rest is whole."""
        folder = self.frames(name)
        path = os.path.join(folder, frame_name(101, band))
        change(path)
        self.line(name, folder, self.stars, 3, flags, f"frame-{band}-001000-3-0101.*{regex}")


def edit(**keys):
    def change(path):
        with fits.open(path, mode="update") as f:
            for key, value in keys.items():
                f[0].header[key] = value
    return change


def pack(opener, keep=None):
    """Packs a frame as a whole; keep: only that part of the bytes."""
    def change(path):
        ending = ".bz2" if opener is bz2 else ".gz"
        data = opener.compress(open(path, "rb").read())
        os.remove(path)
        with open(path + ending, "wb") as f:
            f.write(data if keep is None else data[:int(len(data) * keep)])
    return change


def scramble(path):
    pack(bz2)(path)
    with open(path + ".bz2", "r+b") as f:
        f.seek(5000)
        f.write(b"\xa5" * 4000)


def truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


def to_counts(path):
    """As fpC: 16-bit counts on a bias."""
    with fits.open(path) as f:
        header, counts = f[0].header.copy(), np.round(f[0].data * 200 + 1000)
    del header["BUNIT"]
    fits.PrimaryHDU(counts.astype(np.int16), header).writeto(path, overwrite=True)


def whole_cases(c):
    c.line("good frames", c.good, c.stars, 0, [0] * 4)
    mixed = c.frames("mixed")
    os.makedirs(os.path.join(mixed, "a", "b"))
    for band in "ug":
        path = os.path.join(mixed, frame_name(101, band))
        pack(bz2 if band == "u" else gzip)(path)
    shutil.move(os.path.join(mixed, frame_name(102, "z")), os.path.join(mixed, "a", "b"))
    open(os.path.join(mixed, "a", "notes.txt"), "w").write("not a frame\n")
    open(os.path.join(mixed, "frame-r-001000-3-0101.jpg"), "w").write("not a frame\n")
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(os.path.join(mixed, "other.fits"))
    c.line("packed, nested, other files", mixed, c.stars, 0, [0] * 4)
    renamed = c.frames("renamed")
    for field in FIELDS:
        for band in BANDS:
            os.rename(os.path.join(renamed, frame_name(field, band)),
                      os.path.join(renamed, f"{band}{field}.fits"))
    c.line("frames by header", renamed, c.stars, 0, [0] * 4)
    named = [[*row, 1000, 3, 101 if i < 3 else 102] for i, row in enumerate(c.rows)]
    names = ("objID", "ra", "dec", "ebv", "run", "camcol", "field")
    c.line("rows that name their field", c.good, c.catalog("named", named, names=names), 0,
           [0] * 4)
    corner = WCS(frame_header(101, "r")).all_pix2world(8.0, 100.0, 0)
    rows = [*c.rows, [9, float(corner[0]), float(corner[1]), 0.05]]
    c.line("an object at the edge", c.good, c.catalog("edge", rows), 0, [0] * 4 + [OFF])


def row_cases(c):
    nowhere = [77, 10.0, -30.0, 0.05]
    rows = [c.rows[0], nowhere, *c.rows[1:]]
    c.line("a row off every frame", c.good, c.catalog("nowhere", rows), 3,
           [0, NO_IMAGE, 0, 0, 0], r"nowhere.csv: row 2: RA 10\.0* Dec -30\.0* lies on no frame")
    rows = [*c.rows, [2, *STARS[0], 0.05]]
    c.line("a repeated id", c.good, c.catalog("twice", rows), 3, [0] * 4 + [DUPLICATE],
           "twice.csv: row 5: has the object_id 2 of row 2")
    for name, ra, dec in (("empty", "", 2.0), ("text", 150.0, "north"), ("range", 150.0, 91.5)):
        rows = [c.rows[0], [8, ra, dec, 0.05], *c.rows[2:]]
        c.line(f"no position: {name}", c.good, c.catalog(f"position-{name}", rows), 3,
               [0, NO_IMAGE | BAD_ROW, 0, 0], f"position-{name}.csv: row 2: expected RA")
    rows = [["SDSS J1000", *STARS[0], 0.05], *c.rows[1:]]
    c.line("an id of text", c.good, c.catalog("text-id", rows), 3, [0] * 4,
           "text-id.csv: row 1, column objID: expected a 64-bit integer")
    rows = [[i, 10.0 + 0.01 * i, -30.0, 0.05] for i in range(50)]
    c.line("more faults than are listed", c.good, c.catalog("many", rows + c.rows[:1]), 3,
           [NO_IMAGE] * 50 + [DUPLICATE], r"\.\.\. 50 rows on no frame in all")


def frame_cases(c):
    folder = c.frames("missing")
    os.remove(os.path.join(folder, frame_name(101, "u")))
    os.remove(os.path.join(folder, frame_name(101, "z")))
    c.line("missing bands", folder, c.stars, 3, [MISSING] * 3 + [0],
           "missing: field 001000-3-0101: expected frames in u g r i z, found none in uz")
    c.spoil("truncated", "r", truncate, "truncated")
    c.spoil("truncated-bz2", "g", pack(bz2, 0.6), "")
    c.spoil("truncated-gz", "g", pack(gzip, 0.6), "")
    c.spoil("scrambled-bz2", "i", scramble, "")
    c.spoil("empty", "i", lambda path: open(path, "w").close(), "")
    c.spoil("singular", "g", edit(CD1_1=0.0, CD1_2=0.0, CD2_1=0.0, CD2_2=0.0),
            "world coordinates")
    c.spoil("no-wcs", "g", edit(CTYPE1="LINEAR", CTYPE2="LINEAR"), "world coordinates")
    c.spoil("scale", "g", edit(CD1_1=1e-3, CD2_2=1e-3), "expected pixels of about 0.396")
    c.spoil("elsewhere", "i", edit(CRVAL1=151.0), "place of the other bands")
    c.spoil("unit", "z", edit(BUNIT="counts"), 'expected BUNIT nanomaggy, found "counts"')
    c.spoil("counts", "z", to_counts, "SOFTBIAS")
    c.spoil("band", "z", edit(FILTER="r"), "FILTER z as in its name")
    folder = c.frames("field")
    for band in BANDS:
        truncate(os.path.join(folder, frame_name(101, band)))
    c.line("a field without a frame", folder, c.stars, 3, [NO_IMAGE] * 3 + [0],
           "frame-u-001000-3-0101.*truncated")
    folder = c.frames("fpc")
    raw = os.path.join(folder, "fpC-001000-r3-0101.fit")
    shutil.copy(os.path.join(folder, frame_name(101, "r")), raw)
    to_counts(raw)
    c.line("fpC beside frames", folder, c.stars, 3, [0] * 4, "fpC-001000-r3-0101.fit.*SOFTBIAS")
    only = os.path.join(c.folder, "only-fpc")
    os.makedirs(only)
    shutil.copy(raw, only)
    c.line("only fpC", only, c.stars, 3, None, "only 1 fpC file.*SOFTBIAS")
    bare = os.path.join(c.folder, "bare")
    os.makedirs(bare)
    c.line("no frames", bare, c.stars, 3, None, "expected SDSS frames")
    c.line("no folder", os.path.join(c.folder, "gone"), c.stars, 4, None, "No such file")
    c.line("no catalogue", c.good, os.path.join(c.folder, "gone.csv"), 4, None, "No such file")
    c.line("a catalogue without ra", c.good,
           c.catalog("no-ra", c.rows, names=("objID", "alpha", "dec", "ebv")), 3, None,
           "columns ra and dec.*no ra")
    c.line("a catalogue without rows", c.good, c.catalog("no-rows", []), 3, None,
           "expected at least one row")


def read_out(path):
    """Columns of a data set, safetensors or FITS, under the names of the former."""
    if path.endswith(".fits"):
        table = fits.getdata(path, "OBJECTS")
        names = dict(images="IMAGE", object_id="OBJECT_ID", ra="RA", dec="DEC", flags="FLAGS",
                     coverage="COVERAGE", mags="MAGS")
        return {k: np.array(table[v]) for k, v in names.items()}
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    kinds = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32}
    return {k: np.frombuffer(data[8 + size:][slice(*e["data_offsets"])],
                             kinds[e["dtype"]]).reshape(e["shape"])
            for k, e in json.loads(data[8:8 + size]).items() if k != "__metadata__"}


def check(path, flags):
    out = read_out(path)
    expected = np.array([int(f) for f in flags.split(",")])
    if len(out["flags"]) != len(expected):
        return f"{len(out['flags'])} rows, expected {len(expected)}"
    if np.any((out["flags"] & MINE) != expected):
        return f"flags {out['flags'] & MINE}, expected {expected}"
    part = np.isfinite(out["images"]).mean(axis=(1, 2, 3))
    if np.abs(part - out["coverage"]).max() > 1e-6:
        return f"coverage {out['coverage']}, expected {part}"
    if np.any((part == 0) != ((expected & NO_IMAGE) != 0)):
        return "NO_IMAGE where there is an image, or the reverse"
    whole = (expected & (OFF | NO_IMAGE | MISSING)) == 0
    if np.any(part[whole] != 1):
        return "pixels are missing of rows that have no flag"
    return None


def check_stars(path):
    """Centre and flux of each star and the place of its companion, band by band."""
    out = read_out(path)
    side = out["images"].shape[-1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    for ra, image in zip(out["ra"], out["images"]):
        for k, band in enumerate(BANDS):
            near = np.hypot(x, y) < 6  # the companion is 18 pixels away
            flux = image[k][near].sum()
            off = np.hypot(*(np.sum(image[k][near] * c[near]) / flux for c in (x, y)))
            # outside 6 pixels there is exp(-6^2 / 2 sigma^2) = 6e-5 of a star; noise is
            # 0.01 sqrt(113) = 0.1 nanomaggies; the kernel ripples by 1 % of the peak
            if abs(flux / FLUX[band] - 1) > 0.01 or off > 0.02:
                return f"star at {ra} in {band}: flux {flux}, {off} pixels off the middle"
            friend = np.hypot(x + EAST / SCALE, y - NORTH / SCALE) < 6  # east is left
            share = image[k][friend].sum() / flux
            if abs(share - COMPANION) > 0.02:
                return f"star at {ra} in {band}: companion of {share}, expected {COMPANION}"
    return None


def main():
    use, *rest = sys.argv[1:]
    if use == "cases":
        c = Cases(*rest)
        whole_cases(c)
        row_cases(c)
        frame_cases(c)
        return
    wrong = check(*rest) if use == "check" else check_stars(*rest)
    if wrong:
        sys.exit(wrong)


if __name__ == "__main__":
    main()
