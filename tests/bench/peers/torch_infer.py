#!/usr/bin/python3
"""AstroMAE inference in PyTorch: images a second of the full pcm network.

    /usr/bin/python3 tests/bench/peers/torch_infer.py [--batch 64] [--samples 7]
        tries every setting of threads, keeps the fastest, prints JSON
    ... --worker     one line "images_per_s X" for each line read (a driver interleaves)

The thread counts of OpenMP and OpenBLAS are fixed when the libraries load, so each setting
is a process of its own. libblas.so.3 must be OpenBLAS: with Debian's reference BLAS PyTorch
is several times slower and the comparison would be worth nothing.
"""
import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

THREADS = (1, 2)
IMAGES_PER_SAMPLE = 512
PAUSE_S = 0.2  # idle threads of OpenMP and OpenBLAS spin a while before they sleep


def blas_path():
    """The file that the loader mapped for libblas.so.3; exits unless it is OpenBLAS."""
    with open("/proc/self/maps", encoding="ascii") as f:
        mapped = {line.split()[-1] for line in f if "/" in line}
    found = sorted(p for p in mapped if "blas" in os.path.basename(p))
    if not found or not all("openblas" in os.path.realpath(p) for p in found):
        sys.exit(f"libblas.so.3 is not OpenBLAS (loaded: {found or 'none'}); "
                 "install libopenblas0-pthread")
    return found[0]


def worker(batch):
    """Loads the model once, then answers each line with one sample."""
    import torch
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.join(here, "..", "..", "golden"))
    import reference

    torch.manual_seed(1)
    blas = blas_path()
    torch.mm(torch.ones(8, 8), torch.ones(8, 8))
    model = reference.AstroMae({"image": 32, "patch": 8, "embed": 192, "depth": 12,
                                "heads": 3, "pcm": True}).eval()
    images = torch.rand(batch, reference.BANDS, 32, 32)
    mags = 15 + 5 * torch.rand(batch, reference.BANDS)
    repeats = max(1, IMAGES_PER_SAMPLE // batch)
    with torch.inference_mode():
        for _ in range(3):
            model(images, mags)
        print(f"ready torch {torch.__version__} {blas}", flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            for _ in range(repeats):
                model(images, mags)
            elapsed = time.perf_counter() - start
            print(f"images_per_s {repeats * batch / elapsed:.3f}", flush=True)


class Peer:
    """A worker process with fixed thread counts; sample() takes one measurement."""

    def __init__(self, batch, omp, openblas):
        environment = {**os.environ, "OMP_NUM_THREADS": str(omp),
                       "OPENBLAS_NUM_THREADS": str(openblas)}
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--worker", "--batch", str(batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.version = self.process.stdout.readline().strip()
        if not self.version.startswith("ready"):
            sys.exit("the PyTorch peer did not start")

    def sample(self):
        time.sleep(PAUSE_S)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def best_setting(batch, samples=3):
    """((omp, openblas) with the best median, all medians). The settings take turns."""
    peers = {s: Peer(batch, *s) for s in itertools.product(THREADS, THREADS)}
    taken = {s: [] for s in peers}
    for _ in range(samples):
        for setting, peer in peers.items():
            taken[setting].append(peer.sample())
    for peer in peers.values():
        peer.close()
    medians = {s: statistics.median(values) for s, values in taken.items()}
    return max(medians, key=medians.get), medians


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=7)
    parser.add_argument("--worker", action="store_true")
    args = parser.parse_args()
    if args.worker:
        worker(args.batch)
        return
    (omp, openblas), medians = best_setting(args.batch)
    peer = Peer(args.batch, omp, openblas)
    samples = [peer.sample() for _ in range(args.samples)]
    peer.close()
    print(json.dumps({
        "program": peer.version, "batch": args.batch, "images_per_s": samples,
        "median": statistics.median(samples),
        "setting": {"OMP_NUM_THREADS": omp, "OPENBLAS_NUM_THREADS": openblas},
        "settings": [{"OMP_NUM_THREADS": a, "OPENBLAS_NUM_THREADS": b, "median": m}
                     for (a, b), m in medians.items()]}))


if __name__ == "__main__":
    main()
