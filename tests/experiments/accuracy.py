#!/usr/bin/python3
"""Redshift accuracy on a simulated sky against nearest neighbours in magnitudes.

    /usr/bin/python3 tests/experiments/accuracy.py --catalog F --out DIR
        [--zmae build/zmae] [--train 8000] [--test 2000] [--seed 1]
        [--pretrain "OPTIONS"] [--finetune "OPTIONS"] [--at-most RATIO]

Simulates train + test cutouts from a catalogue with real fluxes and redshifts, pre-trains
an autoencoder on the training part, fine-tunes AstroMAE on it and predicts the rest. The
yardstick is the unweighted mean redshift of the 60 nearest neighbours among the training
objects' noisy magnitudes, in unscaled (u-g, g-r, r-i, i-z, r). Prints sigma_MAD of both
with bootstrap errors as JSON; exit status 1 if ours / neighbours exceeds --at-most.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))

import st  # noqa: E402

NEIGHBOURS = 60
RESAMPLES = 1000


def sigma_mad(dz):
    return 1.4826 * np.median(np.abs(dz - np.median(dz)))


def summary(z_phot, z_spec, seed):
    """sigma_MAD, mean bias and outliers beyond 0.05, with bootstrap errors."""
    dz = (z_phot - z_spec) / (1 + z_spec)
    rng = np.random.default_rng(seed)
    samples = [dz[rng.integers(0, dz.size, dz.size)] for _ in range(RESAMPLES)]
    return {"sigma_mad": float(sigma_mad(dz)),
            "sigma_mad_error": float(np.std([sigma_mad(s) for s in samples])),
            "bias_mean": float(dz.mean()), "eta_0.05": float(np.mean(np.abs(dz) > 0.05))}


def features(mags):
    return np.column_stack([mags[:, :4] - mags[:, 1:], mags[:, 2]])


def neighbours(train, test):
    """Mean redshift of the nearest training objects."""
    a, b = features(train["mags"]), features(test["mags"])
    out = np.empty(len(b))
    for i, point in enumerate(b):
        distance = ((a - point) ** 2).sum(axis=1)
        out[i] = train["z"][np.argpartition(distance, NEIGHBOURS)[:NEIGHBOURS]].mean()
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--catalog", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--zmae", default=os.path.join(ROOT, "build", "zmae"))
    parser.add_argument("--train", type=int, default=8000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pretrain", default="--epochs 20 --batch 128 --lr 1e-3")
    parser.add_argument("--finetune", default="--epochs 40 --batch 128 --lr 1e-3")
    parser.add_argument("--at-most", type=float)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)

    def path(name):
        return os.path.join(args.out, name)

    def zmae(verb, *options):
        start = time.monotonic()
        subprocess.run([args.zmae, verb, *map(str, options), "--seed", str(args.seed)],
                       check=True)
        return time.monotonic() - start

    zmae("simulate", "--catalog", args.catalog, "--count", args.train + args.test,
         "--out", path("all.safetensors"))
    everything, meta = st.read(path("all.safetensors"))
    train = {n: a[:args.train] for n, a in everything.items()}
    test = {n: a[args.train:] for n, a in everything.items()}
    st.write(path("train.safetensors"), train, meta)
    st.write(path("test.safetensors"), test, meta)
    del everything

    seconds = {}
    seconds["pretrain"] = zmae("pretrain", "--data", path("train.safetensors"), "--out",
                               path("mae"), "--resume", "auto", *shlex.split(args.pretrain))
    seconds["finetune"] = zmae("finetune", "--data", path("train.safetensors"), "--init",
                               path("mae/model.safetensors"), "--out", path("astromae"),
                               "--resume", "auto", *shlex.split(args.finetune))
    zmae("predict", "--model", path("astromae/model.safetensors"), "--data",
         path("test.safetensors"), "--out", path("pred.csv"))
    table = np.genfromtxt(path("pred.csv"), delimiter=",", names=True)
    z = test["z"].astype(float)
    ours = summary(table["z_phot"], z, args.seed)
    knn = summary(neighbours(train, test), z, args.seed)
    ratio = ours["sigma_mad"] / knn["sigma_mad"]
    print(json.dumps({"train": args.train, "test": args.test, "seed": args.seed,
                      "pretrain": args.pretrain, "finetune": args.finetune,
                      "ours": ours, "neighbours": knn, "ratio": ratio,
                      "seconds": seconds}, indent=1))
    if args.at_most is not None and not ratio <= args.at_most:
        sys.exit(1)


if __name__ == "__main__":
    main()
