#!/usr/bin/python3
"""Pre-training on real sky: how well hidden patches of a held-out field are painted.

    /usr/bin/python3 tests/experiments/real_sky.py --data DIR --out DIR
        [--zmae build/zmae] [--held-out FIELD] [--seed 1] [--pretrain "OPTIONS"]
        [--at-most RATIO]

DIR of --data holds sdss-frames/ and sdss-cutouts/. Cutouts round the sources of all fields
but one, and the ready cutouts of those fields, train a masked autoencoder in
asinh(x / 3 sigma_band) pixels; the cutouts of the field left out are then reconstructed. All
errors are mean squared errors of hidden patches:

    model            what the autoencoder paints
    visible_mean     the mean of the image's visible pixels, band by band
    visible_patch    the mean of the image's visible patches, pixel by pixel
    own_mean         each hidden patch's own mean, band by band: it has seen what is hidden

Prints JSON; exit status 1 if model / min(visible_mean, visible_patch) exceeds --at-most.
"""
import argparse
import glob
import json
import os
import shlex
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))

import st  # noqa: E402


def ready_cutouts(folder, held_out):
    """The ready cutouts of all fields but one, (n, 5, 64, 64)."""
    from astropy.io import fits
    paths = [p for p in sorted(glob.glob(os.path.join(folder, "*.fits")))
             if held_out not in os.path.basename(p)]
    return np.stack([fits.getdata(p).astype(np.float32) for p in paths])


def patches(images, size, patch, scale):
    """Centre crop, stretch, and (n, patches, patch * patch, bands)."""
    first = (images.shape[2] - size) // 2
    crop = images[:, :, first:first + size, first:first + size]
    crop = np.where(np.isfinite(crop), crop, 0)
    crop = np.arcsinh(crop * np.asarray(scale)[None, :, None, None])
    n, bands, grid = len(crop), crop.shape[1], size // patch
    cut = crop.reshape(n, bands, grid, patch, grid, patch).transpose(0, 2, 4, 3, 5, 1)
    return cut.reshape(n, grid * grid, patch * patch, bands)


def errors(target, pred, mask):
    """Mean squared error over hidden patches of the model and of each baseline."""
    hidden = mask > 0.5
    visible = ~hidden
    count = visible.sum(axis=1)[:, None, None]
    mean_patch = (target * visible[:, :, None, None]).sum(axis=1) / count
    mean_band = mean_patch.mean(axis=1, keepdims=True)
    guesses = {"model": pred.reshape(target.shape),
               "visible_mean": np.broadcast_to(mean_band[:, None], target.shape),
               "visible_patch": np.broadcast_to(mean_patch[:, None], target.shape),
               "own_mean": np.broadcast_to(target.mean(axis=2, keepdims=True), target.shape)}
    return {name: float(((guess - target) ** 2).mean(axis=(2, 3))[hidden].mean())
            for name, guess in guesses.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--zmae", default=os.path.join(ROOT, "build", "zmae"))
    parser.add_argument("--held-out", default="003918-3-0213")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pretrain", default="--epochs 40 --batch 64 --lr 1e-3")
    parser.add_argument("--at-most", type=float)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    frames = os.path.join(args.data, "sdss-frames")
    fields = sorted(os.listdir(frames))

    def path(name):
        return os.path.join(args.out, name)

    def cut(which, name):
        if not os.path.exists(path(name)):
            subprocess.run([sys.executable, os.path.join(ROOT, "tests/tools/cut_frames.py"),
                            "--frames", frames, "--fields", ",".join(which), "--out",
                            path(name)], check=True)
        return st.read(path(name))[0]

    train = cut([f for f in fields if f != args.held_out], "frames.safetensors")
    test = cut([args.held_out], "held_out.safetensors")
    ready = ready_cutouts(os.path.join(args.data, "sdss-cutouts"), args.held_out)
    st.write(path("train.safetensors"), {"images": np.concatenate([train["images"], ready])})

    subprocess.run([args.zmae, "pretrain", "--data", path("train.safetensors"), "--out",
                    path("mae"), "--seed", str(args.seed), "--resume", "auto",
                    *shlex.split(args.pretrain)], check=True)
    subprocess.run([args.zmae, "reconstruct", "--model", path("mae/model.safetensors"),
                    "--data", path("held_out.safetensors"), "--out", path("paint.safetensors")],
                   check=True)
    subprocess.run([args.zmae, "reconstruct", "--model", path("mae/model.safetensors"),
                    "--data", path("held_out.safetensors"), "--out", path("paint.png"),
                    "--count", "12"], check=True)
    model, meta = st.read(path("mae/model.safetensors"))
    about = json.loads(meta["zmae"])
    painted, _ = st.read(path("paint.safetensors"))
    target = patches(test["images"], about["architecture"]["image"],
                     about["architecture"]["patch"], about["preprocessing"]["scale"])
    result = errors(target, painted["pred"], painted["mask"])
    ratio = result["model"] / min(result["visible_mean"], result["visible_patch"])
    print(json.dumps({"train": len(train["images"]) + len(ready), "held_out": len(target),
                      "field": args.held_out, "seed": args.seed, "pretrain": args.pretrain,
                      "errors": result, "ratio": ratio}, indent=1))
    if args.at_most is not None and not ratio <= args.at_most:
        sys.exit(1)


if __name__ == "__main__":
    main()
