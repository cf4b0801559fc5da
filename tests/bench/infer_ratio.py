#!/usr/bin/python3
"""Our inference against PyTorch's on one machine, measured in turn (A B A B ...).

    /usr/bin/python3 tests/bench/infer_ratio.py [--bench build/bench_infer] [--batch 64]
                                                [--samples 7] [--at-least RATIO]

bench_infer --batch B --samples 1 prints one line "images_per_s X" for each line it reads.
Prints JSON: both series, the ratio of each pair and their median; the load average, since
other work on the machine disturbs both. Exit status 1 if the median is below --at-least.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "bench", "peers"))

import torch_infer  # noqa: E402


class Ours:
    def __init__(self, program, batch):
        self.process = subprocess.Popen(
            [program, "--batch", str(batch), "--samples", "1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def sample(self):
        time.sleep(torch_infer.PAUSE_S)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("images_per_s"):
                return float(line.split()[1])
        sys.exit("bench_infer ended without a sample")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", default=os.path.join(ROOT, "build", "bench_infer"))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=7)
    parser.add_argument("--at-least", type=float)
    args = parser.parse_args()
    if not os.access(args.bench, os.X_OK):
        sys.exit(f"{args.bench}: no such program; build it first")
    if args.samples < 7:
        sys.exit("--samples: at least 7")

    (omp, openblas), _ = torch_infer.best_setting(args.batch)
    ours = Ours(args.bench, args.batch)
    peer = torch_infer.Peer(args.batch, omp, openblas)
    ours.sample()  # each has now run once before it counts
    peer.sample()
    pairs = [(ours.sample(), peer.sample()) for _ in range(args.samples)]
    ours.close()
    peer.close()

    ratio = statistics.median(a / b for a, b in pairs)
    print(json.dumps({
        "median_ratio": ratio, "ratios": [a / b for a, b in pairs],
        "ours_images_per_s": [a for a, _ in pairs],
        "torch_images_per_s": [b for _, b in pairs],
        "batch": args.batch, "torch": peer.version,
        "torch_setting": {"OMP_NUM_THREADS": omp, "OPENBLAS_NUM_THREADS": openblas},
        "load_average": os.getloadavg()}))
    if args.at_least is not None and ratio < args.at_least:
        sys.exit(1)


if __name__ == "__main__":
    main()
