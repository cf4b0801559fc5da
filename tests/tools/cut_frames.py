#!/usr/bin/python3
"""Cuts 64 x 64 tiles around the sources of real SDSS frames, for label-free pre-training.

    /usr/bin/python3 tests/tools/cut_frames.py [--frames DIR] [--fields A,B] [--limit N]
                                               [--png SHEET] --out F.safetensors

Reads frame-{u,g,r,i,z}-FIELD.fits[.bz2], finds sources in r (3 sigma above the local
background after smoothing, at least 9 pixels, inside all five bands) and resamples each band
once, by cubic spline, through its own TAN WCS onto a grid with north up, east left and
0.396"/pixel, source on 0-based pixel (31.5, 31.5). Faint sources come with their noise, and
stars with the galaxies. Writes images F32 (N, 5, 64, 64) in nanomaggies, ra and dec F64
(N), object_id I64 (N) = position of the field among all fields * 100000 + number in it, so
that a held-out field is a matter of --fields.
"""
import argparse
import glob
import os
import sys
import warnings

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area
from scipy import ndimage

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))

import st  # noqa: E402

BANDS = "ugriz"
SIZE = 64
PIXEL_ARCSEC = 0.396


def default_frames():
    data = os.environ.get("ZMAE_DATA", os.path.join(ROOT, "..", "shared", "data"))
    return os.path.join(data, "sdss-frames")


def read_field(folder, field):
    """band -> (image float32 with native byte order, WCS)."""
    out = {}
    for band in BANDS:
        found = sorted(glob.glob(os.path.join(folder, field, f"frame-{band}-{field}.fits*")))
        if not found:
            sys.exit(f"{folder}/{field}: no frame of band {band}")
        with fits.open(found[0]) as hdus, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SDSS headers are older than the standard
            out[band] = hdus[0].data.astype(np.float32), WCS(hdus[0].header)
    return out


def background(image, box=128):
    """Smooth map of the median of boxes, and the noise per pixel (1.4826 MAD)."""
    rows, cols = image.shape[0] // box, image.shape[1] // box
    tiles = image[:rows * box, :cols * box].reshape(rows, box, cols, box)
    medians = ndimage.median_filter(np.median(tiles, axis=(1, 3)), 3, mode="nearest")
    y = (np.arange(image.shape[0]) + 0.5) / box - 0.5
    x = (np.arange(image.shape[1]) + 0.5) / box - 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    smooth = ndimage.map_coordinates(medians, grid, order=1, mode="nearest")
    rest = image - smooth
    return smooth, 1.4826 * np.median(np.abs(rest - np.median(rest)))


def detect(image, threshold=3.0, pixels=9):
    """Flux-weighted centres (x, y) of connected groups of pixels, brightest first."""
    smooth, noise = background(image)
    rest = image - smooth
    kernel_sigma = 1.0
    filtered = ndimage.gaussian_filter(rest, kernel_sigma)
    filtered_noise = noise / (2 * np.sqrt(np.pi) * kernel_sigma)
    labels, count = ndimage.label(filtered > threshold * filtered_noise)
    index = np.arange(1, count + 1)
    areas = ndimage.sum_labels(np.ones_like(labels), labels, index)
    index = index[areas >= pixels]
    weights = np.maximum(filtered, 0)
    flux = ndimage.sum_labels(rest, labels, index)
    centres = np.array(ndimage.center_of_mass(weights, labels, index))
    order = np.argsort(-flux, kind="stable")
    return centres[order][:, ::-1]


def tangent_grid(ra, dec):
    """Sky positions of the pixels of a north-up TAN cutout around (ra, dec), in degrees."""
    grid = WCS(naxis=2)
    grid.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    grid.wcs.crval = [ra, dec]
    grid.wcs.crpix = [(SIZE + 1) / 2, (SIZE + 1) / 2]
    grid.wcs.cdelt = [-PIXEL_ARCSEC / 3600, PIXEL_ARCSEC / 3600]
    y, x = np.mgrid[:SIZE, :SIZE]
    return grid.all_pix2world(x.ravel(), y.ravel(), 0)


def cut(frames, splines, ra, dec):
    """(5, SIZE, SIZE) float32, or None where a band does not cover the cutout."""
    sky = tangent_grid(ra, dec)
    tile = np.empty((len(BANDS), SIZE, SIZE), dtype=np.float32)
    for k, band in enumerate(BANDS):
        image, wcs = frames[band]
        x, y = wcs.all_world2pix(*sky, 0)
        inside = (x.min() >= 3 and y.min() >= 3 and x.max() <= image.shape[1] - 4
                  and y.max() <= image.shape[0] - 4)
        if not inside:
            return None
        values = ndimage.map_coordinates(splines[band], [y, x], order=3, prefilter=False)
        values *= PIXEL_ARCSEC ** 2 / (proj_plane_pixel_area(wcs) * 3600 ** 2)  # keep flux
        tile[k] = values.reshape(SIZE, SIZE)
    return tile if np.isfinite(tile).all() else None


def cut_field(folder, field, limit):
    frames = read_field(folder, field)
    splines = {b: ndimage.spline_filter(image, order=3, output=np.float32)
               for b, (image, _) in frames.items()}
    image, wcs = frames["r"]
    centres = detect(image)
    tiles, positions, numbers = [], [], []
    for number, (x, y) in enumerate(centres):
        if limit and len(tiles) == limit:
            break
        ra, dec = (float(v) for v in wcs.all_pix2world(x, y, 0))
        tile = cut(frames, splines, ra, dec)
        if tile is not None:
            tiles.append(tile)
            positions.append((ra, dec))
            numbers.append(number)
    print(f"{field}: {len(centres)} sources, {len(tiles)} cutouts", file=sys.stderr)
    return tiles, positions, numbers


def write_sheet(path, images, columns=12, rows=8):
    """A contact sheet of evenly spaced cutouts, asinh colours of i, r, g."""
    from PIL import Image
    chosen = images[np.linspace(0, len(images) - 1, columns * rows).astype(int)]
    rgb = np.moveaxis(chosen[:, [3, 2, 1]], 1, -1) / np.array([1.2, 1.0, 0.7])
    light = np.maximum(rgb.mean(axis=-1, keepdims=True), 1e-6)
    colours = np.clip(rgb * np.arcsinh(light / 0.03) / (5 * light), 0, 1)
    colours = colours[:, ::-1]  # row 0 is south
    sheet = colours.reshape(rows, columns, SIZE, SIZE, 3).transpose(0, 2, 1, 3, 4)
    sheet = sheet.reshape(rows * SIZE, columns * SIZE, 3)
    Image.fromarray((sheet * 255).astype(np.uint8)).save(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", default=default_frames())
    parser.add_argument("--fields", help="comma-separated [all]")
    parser.add_argument("--limit", type=int, default=0, help="cutouts a field [all]")
    parser.add_argument("--png", help="contact sheet of the result")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    if not os.path.isdir(args.frames):
        sys.exit(f"{args.frames}: no such folder; give --frames or set ZMAE_DATA")
    every = sorted(d for d in os.listdir(args.frames)
                   if os.path.isdir(os.path.join(args.frames, d)))
    fields = args.fields.split(",") if args.fields else every
    unknown = [f for f in fields if f not in every]
    if unknown:
        sys.exit(f"unknown field {unknown[0]}; there are: {' '.join(every)}")

    tiles, positions, ids = [], [], []
    for field in fields:
        more, where, numbers = cut_field(args.frames, field, args.limit)
        tiles += more
        positions += where
        ids += [every.index(field) * 100000 + n for n in numbers]
    if not tiles:
        sys.exit("no sources found")
    images = np.stack(tiles)
    ra, dec = (np.array([p[k] for p in positions], dtype=np.float64) for k in (0, 1))
    st.write(args.out, {"images": images, "ra": ra, "dec": dec,
                        "object_id": np.array(ids, dtype=np.int64)})
    if args.png:
        write_sheet(args.png, images)
    print(f"{args.out}: {len(images)} cutouts", file=sys.stderr)


if __name__ == "__main__":
    main()
