#!/usr/bin/python3
"""Recomputes everything that `zmae evaluate --json` says with numpy and scipy.

    /usr/bin/python3 tests/e2e/check_evaluate.py [--zmae build/zmae] [--keep DIR]

Predictions are written by astropy: CSV, FITS as `predict` lays it out, and qp files. Values
must agree to 1e-9 relative to their size and half a unit of the ninth digit that JSON
carries; bootstrap errors to 20 %, which two bootstraps of 400 samples never differ by
(each scatters by 1 / sqrt(2 * 400) = 3.5 %). Prints a line a check; the exit status is 1 if
any failed.
"""
import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from astropy.io import fits
from scipy import stats

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Report:
    def __init__(self):
        self.failures = 0

    def check(self, name, good, why=""):
        self.failures += not good
        print(f"ok    {name}" if good else f"FAIL  {name}: {why}", flush=True)

    def close(self, name, found, wanted):
        if wanted is None or found is None:
            return self.check(name, found is wanted, f"found {found}, wanted {wanted}")
        good = abs(found - wanted) <= 6e-9 * abs(wanted) + 1e-15
        self.check(name, good, f"found {found!r}, wanted {wanted!r}")


def point_metrics(zp, zs):
    dz = (zp - zs) / (1 + zs)
    mad = np.median(np.abs(dz - np.median(dz)))
    iqr = np.subtract(*np.percentile(dz, [75, 25])) / 1.349
    var = np.var(zs)
    return {
        "bias_mean": dz.mean(), "bias_median": np.median(dz), "sigma_mad": 1.4826 * mad,
        "nmad_1.48": 1.48 * mad, "sigma_iqr": iqr, "eta_0.05": np.mean(np.abs(dz) > 0.05),
        "f_out_rail": np.mean(np.abs(dz) > max(0.06, 3 * iqr)),
        "mae": np.abs(zp - zs).mean(), "mse": np.mean((zp - zs) ** 2),
        "r2": 1 - np.mean((zp - zs) ** 2) / var if var > 0 else None,
    }


def crps(edges, p, z):
    """The integral piece by piece; two Gauss points are exact for squares of lines."""
    total = np.concatenate([[0], np.cumsum(p)])
    knots = np.unique(np.concatenate([edges, [z]]))
    low, high = knots[:-1], knots[1:]
    half, middle = (high - low) / 2, (high + low) / 2
    sum_ = 0.0
    for sign in (-1, 1):
        at = middle + sign * half / np.sqrt(3)
        step = (middle > z).astype(float)
        sum_ += np.sum(half * (np.interp(at, edges, total) - step) ** 2)
    return sum_


def pdf_metrics(edges, p, zs):
    width = edges[1] - edges[0]
    p = p / p.sum(axis=1, keepdims=True)
    total = np.concatenate([np.zeros((len(p), 1)), np.cumsum(p, axis=1)], axis=1)
    pit = np.array([np.interp(z, edges, f) for z, f in zip(zs, total)])
    bins = np.clip(np.searchsorted(edges, zs, side="right") - 1, 0, p.shape[1] - 1)
    inside = (zs >= edges[0]) & (zs <= edges[-1])
    density = np.where(inside, p[np.arange(len(p)), bins] / width, 0)
    return {
        "crps": np.mean([crps(edges, row, z) for row, z in zip(p, zs)]),
        "pit_ks": stats.kstest(pit, "uniform").statistic,
        "pit_cvm": stats.cramervonmises(pit, "uniform").statistic,
        "cde_loss": np.mean(np.sum(p ** 2, axis=1) / width) - 2 * density.mean(),
    }


def sample(n, seed=1, bins=90):
    """Redshifts, magnitudes and distributions whose widths are one half too small."""
    rng = np.random.default_rng(seed)
    zs = rng.gamma(3, 0.04, n) + 0.01
    sigma = 0.01 + 0.02 * rng.random(n)
    zp = zs + sigma * rng.standard_normal(n) * (1 + zs)
    zp[rng.random(n) < 0.03] += 0.2
    edges = np.linspace(0, 0.4, bins + 1)
    cdf = stats.norm.cdf((edges[None] - zp[:, None]) / (0.5 * sigma[:, None]))
    p = np.diff(cdf, axis=1) + 1e-6
    return {"id": rng.permutation(n) * 7 + 1237648720693755918, "zs": zs, "zp": zp,
            "r": 14 + 3.8 * rng.random(n), "edges": edges, "p": p / p.sum(1, keepdims=True)}


def write_csv(path, columns):
    names = list(columns)
    with open(path, "w") as f:
        f.write(",".join(names) + "\n")
        for row in zip(*columns.values()):
            f.write(",".join("" if v is None else repr(v.item() if hasattr(v, "item") else v)
                             for v in row) + "\n")


def table(name, columns):
    made = []
    for key, values in columns.items():
        values = np.asarray(values)
        form = {"i": "K", "f": "D", "U": f"{values.dtype.itemsize // 4}A"}[values.dtype.kind]
        if values.dtype == np.float32:
            form = "E"
        shape = f"{values.shape[1]}" if values.ndim == 2 else ""
        made.append(fits.Column(name=key, format=shape + form, array=values))
    return fits.BinTableHDU.from_columns(made, name=name)


def write_fits(path, *tables):
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path, overwrite=True)


class Checker:
    def __init__(self, zmae, folder):
        self.zmae, self.folder, self.report = zmae, folder, Report()

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *args, status=0):
        found = subprocess.run([self.zmae, "evaluate", "--bootstrap", "400", *args],
                               capture_output=True, text=True, timeout=300)
        if found.returncode != status:
            raise RuntimeError(f"status {found.returncode}: {found.stderr.strip()}")
        return found

    def json(self, *args):
        return json.loads(self.run("--json", *args).stdout)

    def refused(self, name, words, *args):
        try:
            found = self.run(*args, status=3)
            self.report.check(name, words in found.stderr, found.stderr.strip())
        except RuntimeError as e:
            self.report.check(name, False, str(e))

    def values(self, name, found, wanted):
        for key, value in wanted.items():
            self.report.close(f"{name} {key}", found.get(key), value)

    def bins(self, name, found, x, s, edges_of):
        """Bins of one axis: their edges, counts and every metric."""
        edges = edges_of(np.sort(x))
        self.report.check(f"{name} bins", len(found) == len(edges) - 1, f"{len(found)} bins")
        for k, b in enumerate(found):
            last = k == len(found) - 1
            inside = (x >= edges[k]) & ((x <= edges[k + 1]) if last else (x < edges[k + 1]))
            self.report.close(f"{name} bin {k} low", b["low"], edges[k])
            self.report.close(f"{name} bin {k} high", b["high"], edges[k + 1])
            self.report.check(f"{name} bin {k} count", b["count"] == inside.sum())
            if inside.any():
                self.values(f"{name} bin {k}", b, point_metrics(s["zp"][inside],
                                                               s["zs"][inside]))


def check_points(c):
    s = sample(997)
    write_csv(c.path("points.csv"), {"object_id": s["id"], "z_phot": s["zp"],
                                     "z_spec": s["zs"], "dered_r": s["r"]})
    found = c.json("--pred", c.path("points.csv"), "--bins", "7")
    c.values("csv", found, point_metrics(s["zp"], s["zs"]))
    c.report.check("csv has no crps", "crps" not in found)
    quantiles = lambda x: x[[len(x) * k // 7 for k in range(7)] + [len(x) - 1]]
    for axis, x in (("z_spec", s["zs"]), ("z_phot", s["zp"]), ("r_mag", s["r"])):
        c.bins(f"equal counts {axis}", found["bins"][axis], x, s, quantiles)
    found = c.json("--pred", c.path("points.csv"), "--bins", "5", "--bin-edges", "width")
    c.bins("equal widths", found["bins"]["z_spec"], s["zs"], s,
           lambda x: np.linspace(x[0], x[-1], 6))
    rng = np.random.default_rng(0)
    draws = [point_metrics(s["zp"][i], s["zs"][i])
             for i in rng.integers(0, len(s["zs"]), (400, len(s["zs"])))]
    for key, error in found["errors"].items():
        wanted = np.std([d[key] for d in draws], ddof=1)
        c.report.check(f"bootstrap error of {key}", abs(error / wanted - 1) < 0.2,
                       f"found {error}, wanted about {wanted}")


def check_pdfs(c):
    s = sample(612, seed=2)
    s["zs"][:5] = [0.401, 0.45, 0.5, 0.6, 0.0]  # beyond the grid and on its edge
    p = s["p"]
    wanted = {**point_metrics(s["zp"], s["zs"]), **pdf_metrics(s["edges"], p, s["zs"])}
    zgrid = table("ZGRID", {"z_lo": s["edges"][:-1], "z_hi": s["edges"][1:],
                            "z_mid": (s["edges"][:-1] + s["edges"][1:]) / 2})
    columns = {"object_id": s["id"], "z_phot": s["zp"], "pdf": p, "z_spec": s["zs"]}
    write_fits(c.path("pdf.fits"), table("PREDICTIONS", columns), zgrid)
    found = c.json("--pred", c.path("pdf.fits"))
    c.values("fits", found, wanted)
    rng = np.random.default_rng(0)
    draws = []
    for i in rng.integers(0, len(s["zs"]), (200, len(s["zs"]))):
        draws.append(pdf_metrics(s["edges"], p[i], s["zs"][i]))
    for key in draws[0]:
        error = np.std([d[key] for d in draws], ddof=1)
        c.report.check(f"bootstrap error of {key}", abs(found["errors"][key] / error - 1) < 0.25,
                       f"found {found['errors'][key]}, wanted about {error}")

    width = s["edges"][1] - s["edges"][0]
    ancil = table("ancil", {"object_id": s["id"], "zmode": s["zp"] + 1, "zmean": s["zp"],
                            "redshift": s["zs"]})
    data = {"interp": table("data", {"yvals": p / width}),
            "hist": table("data", {"pdfs": 3 * p})}
    meta = {"interp": table("meta", {"pdf_name": ["interp"], "pdf_version": [0],
                                     "xvals": (s["edges"][None, :-1] + width / 2)}),
            "hist": table("meta", {"pdf_name": ["hist"], "pdf_version": [0],
                                   "bins": s["edges"][None]})}
    for kind in data:
        write_fits(c.path(kind + ".fits"), meta[kind], data[kind], ancil)
        c.values("qp " + kind, c.json("--pred", c.path(kind + ".fits")), wanted)
    mode = c.json("--pred", c.path("hist.fits"), "--point", "zmode")
    c.report.close("qp --point zmode", mode["bias_mean"],
                   point_metrics(s["zp"] + 1, s["zs"])["bias_mean"])

    holes = p.copy()
    holes[3], holes[10, 2], holes[11] = np.nan, -1, 0
    write_fits(c.path("holes.fits"), table("PREDICTIONS", {**columns, "pdf": holes}), zgrid)
    found = c.json("--pred", c.path("holes.fits"))
    keep = np.delete(np.arange(len(p)), [3, 10, 11])
    c.values("pdf with holes", found, pdf_metrics(s["edges"], p[keep], s["zs"][keep]))
    c.report.check("pdf with holes: count", found["pdf_count"] == len(keep))

    bent = table("ZGRID", {"z_lo": s["edges"][:-1] ** 2, "z_hi": s["edges"][1:] ** 2})
    write_fits(c.path("bent.fits"), table("PREDICTIONS", columns), bent)
    c.refused("uneven grid", "equal width", "--pred", c.path("bent.fits"))
    short = table("ZGRID", {"z_lo": s["edges"][:-2], "z_hi": s["edges"][1:-1]})
    write_fits(c.path("short.fits"), table("PREDICTIONS", columns), short)
    c.refused("grid of another length", "each of 89 bins", "--pred", c.path("short.fits"))


def check_joins(c):
    s = sample(200, seed=3)
    order = np.random.default_rng(5).permutation(200)
    rows = np.arange(200)
    pred = {"z_phot": s["zp"], "mag_r": s["r"]}
    truth = {"redshift": s["zs"][order]}
    write_csv(c.path("ids.csv"), {"object_id": s["id"], **pred})
    write_csv(c.path("rows.csv"), {"object_id": rows, **pred})
    write_csv(c.path("none.csv"), pred)
    write_csv(c.path("truth-ids.csv"), {"id": s["id"][order], **truth})
    write_csv(c.path("truth-rows.csv"), {"objid": rows, "z": s["zs"]})
    write_csv(c.path("truth-shuffled.csv"), {"objid": order, **truth})
    write_csv(c.path("truth-part.csv"), {"id": s["id"][:150], "z": s["zs"][:150]})
    write_csv(c.path("truth-none.csv"), {"z": s["zs"]})
    wanted = point_metrics(s["zp"], s["zs"])["mae"]

    def joined(name, how, pred, truth, *more, mae=wanted):
        found = c.json("--pred", c.path(pred), "--truth", c.path(truth), *more)
        c.report.close("join " + name, found["mae"], mae)
        c.report.check(f"join {name}: by {how}", found["join"] == how, found["join"])
        return found

    def apart(name, words, pred, truth, *more):
        c.refused("join " + name, words, "--pred", c.path(pred), "--truth", c.path(truth),
                  *more)

    joined("real ids", "id", "ids.csv", "truth-ids.csv")
    joined("row numbers twice", "row", "rows.csv", "truth-rows.csv")
    joined("no ids in one", "row", "rows.csv", "truth-none.csv")
    joined("row numbers, truth shuffled", "id", "rows.csv", "truth-shuffled.csv")
    shuffled = point_metrics(s["zp"], s["zs"][order])["mae"]
    joined("ids, by row as asked", "row", "ids.csv", "truth-ids.csv", "--join", "row",
           mae=shuffled)
    joined("numbers of a truth without ids", "id", "rows.csv", "truth-none.csv", "--join",
           "id")
    part = joined("part of the truth", "id", "ids.csv", "truth-part.csv",
                  mae=point_metrics(s["zp"][:150], s["zs"][:150])["mae"])
    c.report.check("join part: counts", part["no_truth"] == 50 and part["unused_truth"] == 0)
    write_csv(c.path("pred-part.csv"), {"id": s["id"][:30], "z_phot": s["zp"][:30]})
    part = joined("part of the predictions", "id", "pred-part.csv", "truth-ids.csv",
                  mae=point_metrics(s["zp"][:30], s["zs"][:30])["mae"])
    c.report.check("join part: unused truth", part["unused_truth"] == 170)
    apart("row numbers against real ids", "--join row", "rows.csv", "truth-ids.csv")
    apart("--join id without ids", "object_id", "none.csv", "truth-ids.csv", "--join", "id")
    apart("row numbers, unlike lengths", "--join id", "rows.csv", "truth-part.csv",
          "--join", "row")
    write_csv(c.path("twice.csv"), {"id": [5, 5, 6], "z": [0.1, 0.2, 0.3]})
    write_csv(c.path("five.csv"), {"id": [5, 6, 7], "z_phot": [0.1, 0.2, 0.3]})
    apart("one object with two redshifts", "two redshifts", "five.csv", "twice.csv")


def read_table(path):
    with open(path) as f:
        names = f.readline().strip().split(",")
        rows = [[float(v) if v else np.nan for v in line.rstrip("\n").split(",")] for line in f]
    return dict(zip(names, np.array(rows).reshape(-1, len(names)).T))


def picture_size(path):
    """Width and height of a PNG whose chunks are all sound."""
    data = open(path, "rb").read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    at, size = 8, None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if zlib.crc32(kind + body) != struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0]:
            return None
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        at += 12 + length
    return size


def check_density(c, name, points):
    """Every bin of a density figure holds what numpy counts in it."""
    t = read_table(c.path(name))
    x, y = points
    for low, high, bottom, top, n in zip(*(t[k] for k in ("x_low", "x_high", "y_low", "y_high",
                                                          "objects"))):
        # nine digits of an edge may move an object across it
        margin = 1e-8 * max(abs(high), abs(top), 1)
        most = ((x >= low - margin) & (x <= high + margin) & (y >= bottom - margin) &
                (y <= top + margin)).sum()
        least = ((x > low + margin) & (x < high - margin) & (y > bottom + margin) &
                 (y < top - margin)).sum()
        if not max(least, 1) <= n <= most:
            return c.report.check(name, False, f"bin at {low}, {bottom}: {n} objects")
    c.report.check(name, 0.9 * len(x) < t["objects"].sum() <= len(x))


def check_figures(c):
    s = sample(4000, seed=9)
    dz = (s["zp"] - s["zs"]) / (1 + s["zs"])
    grid = table("ZGRID", {"z_lo": s["edges"][:-1], "z_hi": s["edges"][1:]})
    write_fits(c.path("figures.fits"), table("PREDICTIONS", {
        "object_id": s["id"], "z_phot": s["zp"], "pdf": s["p"], "z_spec": s["zs"],
        "r_mag": s["r"]}), grid)
    c.run("--pred", c.path("figures.fits"), "--plots", c.path("figures"))
    for name, size in (("zphot_zspec", (900, 860)), ("residuals", (900, 700)),
                       ("residuals_r", (900, 700)), ("dz_hist", (900, 660)),
                       ("nz", (900, 660)), ("pit", (1240, 660))):
        found = picture_size(c.path(f"figures/{name}.png"))
        c.report.check(f"{name}.png", found == size, f"size {found}")

    t = read_table(c.path("figures/dz_hist.csv"))
    edges = np.append(t["dz_low"], t["dz_high"][-1])
    c.report.check("dz_hist.csv", abs(np.histogram(dz, edges)[0] - t["objects"]).max() <= 1)
    t = read_table(c.path("figures/nz.csv"))
    edges = np.append(t["z_low"], t["z_high"][-1])
    for key in ("zs", "zp"):
        wanted = np.histogram(s[key], edges)[0] / len(dz) / np.diff(edges)
        found = t["z_spec" if key == "zs" else "z_phot"]
        c.report.check(f"nz.csv {key}", abs(found - wanted).max() * np.diff(edges)[0]
                       <= 1.01 / len(dz))
    total = np.append(0, np.cumsum(s["p"].mean(axis=0)))
    wanted = np.diff(np.interp(edges, s["edges"], total)) / np.diff(edges)
    c.report.check("nz.csv mean_pdf", np.allclose(t["mean_pdf"], wanted, rtol=1e-6, atol=1e-6))

    cdf = np.concatenate([np.zeros((len(dz), 1)), np.cumsum(s["p"], axis=1)], axis=1)
    pit = np.array([np.interp(z, s["edges"], f) for z, f in zip(s["zs"], cdf)]).clip(0, 1)
    t = read_table(c.path("figures/pit.csv"))
    wanted = np.histogram(pit, np.linspace(0, 1, len(t["objects"]) + 1))[0]
    c.report.check("pit.csv", abs(wanted - t["objects"]).max() <= 1)
    for column, q in (("uniform_low", 0.025), ("uniform_high", 0.975)):
        c.report.close(f"pit.csv {column}", t[column][0],
                       stats.binom.ppf(q, len(dz), 1 / len(t["objects"])))
    t = read_table(c.path("figures/pit_quantiles.csv"))
    c.report.check("pit_quantiles.csv",
                   np.allclose(np.quantile(pit, t["uniform"]), t["pit"], atol=1e-8))

    for name, x in (("residuals", s["zs"]), ("residuals_r", s["r"])):
        t = read_table(c.path(f"figures/{name}.csv"))
        c.report.check(f"{name}.csv", t["objects"].sum() <= len(dz) and len(t["x"]) > 4
                       and t["objects"].min() >= 8)
        check_density(c, f"figures/{name}_density.csv", (x, dz))
        # the bin in the middle, found again by its median
        k = len(t["x"]) // 2
        width = np.diff(t["x"]).min() / 4
        near = abs(x - t["x"][k]) < width
        spread = 1.4826 * np.median(abs(dz[near] - np.median(dz[near])))
        c.report.check(f"{name}.csv median", abs(np.median(dz[near]) - t["median_dz"][k])
                       < 5 * 1.25 * spread / np.sqrt(near.sum()))
    check_density(c, "figures/zphot_zspec.csv", (s["zs"], s["zp"]))


def check_runs(c):
    run = c.path("run")
    os.makedirs(run, exist_ok=True)
    with open(os.path.join(run, "log.jsonl"), "w") as f:
        for step in range(100):
            f.write(json.dumps({"step": step, "loss": 1 / (1 + step), "lr": 1e-3}) + "\n")
            if step % 10 == 9:
                f.write(json.dumps({"step": step, "val_loss": abs(step - 59) + 0.5}) + "\n")
    found = json.loads(subprocess.run([c.zmae, "evaluate", "--run", run, "--plots",
                                       c.path("curve"), "--json"], capture_output=True,
                                      text=True, check=True).stdout)
    c.report.close("run: best validation", found["best_val_loss"], 0.5)
    c.report.close("run: its step", found["best_val_step"], 59)
    t = read_table(c.path("curve/learning.csv"))
    c.report.check("learning.csv", np.allclose(t["loss"], 1 / (1 + t["step"]), rtol=1e-8)
                   and len(t["step"]) == 100)
    c.report.check("learning.png", picture_size(c.path("curve/learning.png")) == (900, 800))


def check_small(c):
    write_csv(c.path("one.csv"), {"z_phot": [0.11], "z_spec": [0.1]})
    found = c.json("--pred", c.path("one.csv"))
    c.report.check("one object: errors are null",
                   all(v is None for v in found["errors"].values()), found["errors"])
    text = c.run("--pred", c.path("one.csv")).stdout
    c.report.check("one object: n/a, not 0", "+- n/a" in text and "+- 0" not in text)
    cases = {"one": ([0.11], [0.1]), "equal": ([0.1] * 40, [0.1] * 40),
             "far": ([1e6, -1e6, 1e300], [0.1, 5e5, 0.2]), "two": ([0.1, 0.3], [0.2, 0.1])}
    for name, (zp, zs) in cases.items():
        write_csv(c.path("small.csv"), {"z_phot": zp, "z_spec": zs, "r_mag": [None] * len(zp)})
        folder = c.path("plots-" + name)
        c.run("--pred", c.path("small.csv"), "--plots", folder)
        c.report.check(f"figures of {name}", "zphot_zspec.png" in os.listdir(folder))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zmae", default=os.path.join(ROOT, "build", "zmae"))
    parser.add_argument("--keep", help="folder for the files")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.keep:
            os.makedirs(args.keep, exist_ok=True)
        c = Checker(args.zmae, args.keep or folder)
        for check in (check_points, check_pdfs, check_joins, check_figures,
                      check_runs, check_small):
            try:
                check(c)
            except Exception as e:  # one broken part must not hide the others
                c.report.check(check.__name__, False, f"{type(e).__name__}: {e}")
    print(f"evaluate: {c.report.failures} failures")
    sys.exit(1 if c.report.failures else 0)


if __name__ == "__main__":
    main()
