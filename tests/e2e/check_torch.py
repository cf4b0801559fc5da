#!/usr/bin/python3
"""Runs zmae on exported cases and compares every number with PyTorch's.

    /usr/bin/python3 tests/e2e/check_torch.py [--zmae build/zmae] [--device cpu]
                                              [--case NAME]... [--keep DIR]

Error = max |a - b| / max |b|. Limits: forward 1e-5 on the CPU, 1e-4 on Vulkan; each of ten
losses 1e-4 (pre-training) or 1e-3 (fine-tuning). Trained weights are compared by their
change, |dw - dw'| / |dw'| (Euclidean): 1e-3 for small pre-trained networks, which still
sees a missing decay of cls_token, 1e-2 for large ones, 5e-2 for fine-tuning (single
precision rounds its steps of 1e-5 to half a per cent). Prints a table; the exit status is 1
if any line failed, a command that failed or a missing output included.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))

import cases  # noqa: E402
import export  # noqa: E402
import st  # noqa: E402

NORM_PIX_OPTION = "--norm-pix"  # off unless asked


class Report:
    """Collects lines of the table; any line over its limit fails the run."""

    def __init__(self):
        self.failures = 0

    def line(self, case, what, error, limit, note=""):
        good = error <= limit  # NaN fails
        self.failures += not good
        print(f"{case:36} {what:16} {error:10.2e} {limit:8.0e}  "
              f"{'ok' if good else 'FAIL'}  {note}", flush=True)

    def fail(self, case, what, note):
        self.failures += 1
        print(f"{case:36} {what:16} {'':10} {'':8}  FAIL  {note}", flush=True)


def error(a, b):
    """max |a - b| / max |b|; infinite for unlike shapes."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a - b).max() / np.abs(b).max())


def run(report, case, what, command):
    """True if the command succeeded."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    except (OSError, subprocess.TimeoutExpired) as e:
        report.fail(case, what, str(e))
        return False
    if done.returncode:
        tail = done.stderr.strip().splitlines()[-1:] or ["(no message)"]
        report.fail(case, what, f"exit {done.returncode}: {tail[0]}")
    return done.returncode == 0


def network_options(case):
    net = case["network"]
    options = []
    if has_encoder(case) and net["heads"] != max(1, net["embed"] // 64):
        options += ["--heads", str(net["heads"])]
    if net.get("norm_pix"):
        options.append(NORM_PIX_OPTION)
    return options


def has_encoder(case):
    return "encoder" in case["network"].get("branches", ["encoder"])


def check_reconstruct(report, name, case, folder, common, limit):
    out = os.path.join(folder, "pred.safetensors")
    command = [*common("reconstruct"), "--model", os.path.join(folder, "model.safetensors"),
               "--data", os.path.join(folder, "data.safetensors"), "--out", out,
               *network_options(case)]
    if not run(report, name, "reconstruct", command):
        return
    got, _ = st.read(out)
    expected, _ = st.read(os.path.join(folder, "expected.safetensors"))
    for tensor in ("mask", "pred", "loss"):
        if tensor not in got:
            report.fail(name, tensor, "missing from the output")
        else:
            report.line(name, tensor, error(got[tensor], expected[tensor]),
                        0.0 if tensor == "mask" else limit)


def means_of(case, outputs):
    """z_phot of a pdf or a normal law: the mean over bin centres, tails in the outer bins."""
    head, x = case["network"]["head"], torch.from_numpy(outputs.copy()).double()
    edges = torch.linspace(head["z_min"], head["z_max"], head["bins"] + 1,
                           dtype=torch.float64)
    centres = head["z_min"] + (head["z_max"] - head["z_min"]) * (
        torch.arange(head["bins"]).double() + 0.5) / head["bins"]
    if head["kind"] == "pdf":
        p = x.softmax(dim=1)
    else:
        cdf = torch.special.ndtr((edges - x[:, :1]) / (x[:, 1:] / 2).exp())
        cdf[:, 0], cdf[:, -1] = 0.0, 1.0
        p = cdf[:, 1:] - cdf[:, :-1]
    return (p @ centres).numpy()


def check_predict(report, name, case, folder, common, limit):
    out = os.path.join(folder, "pred.csv")
    command = [*common("predict"), "--model", os.path.join(folder, "model.safetensors"),
               "--data", os.path.join(folder, "data.safetensors"), "--out", out,
               *network_options(case)]
    if not run(report, name, "predict", command):
        return
    with open(out, newline="", encoding="ascii") as f:
        rows = list(csv.DictReader(f))
    expected, _ = st.read(os.path.join(folder, "expected.safetensors"))
    got = [float(row["z_phot"]) for row in rows]
    truth = expected["z_phot"] if "z_phot" in expected else means_of(case, expected["outputs"])
    report.line(name, "z_phot", error(got, truth), limit)


def read_losses(path):
    with open(path, encoding="utf-8") as f:
        lines = [json.loads(text) for text in f if text.strip()]
    return {entry["step"]: entry["loss"] for entry in lines
            if "step" in entry and "loss" in entry}


def check_training(report, name, case, folder, common, expected):
    verb = "pretrain" if case["model"] == "mae" else "finetune"
    out = os.path.join(folder, "run")
    options = expected["options"]
    command = [*common(verb), "--data", os.path.join(folder, "data.safetensors"),
               "--init", os.path.join(folder, "model.safetensors"), "--out", out,
               "--steps", str(expected["steps"]), "--batch", str(case["batch"]),
               "--schedule", "constant", "--lr", repr(options["lr"]),
               "--weight-decay", repr(options["weight_decay"]), "--augment", "none",
               "--shuffle", "none", "--log-every", "1", *network_options(case)]
    if case["network"].get("train_encoder"):
        command.append("--train-encoder")
    if not run(report, name, verb, command):
        return
    losses = read_losses(os.path.join(out, "log.jsonl"))
    steps = range(expected["steps"])
    if sorted(losses) != list(steps):
        report.fail(name, "losses", f"steps in the log: {sorted(losses)}")
    else:
        truth = expected["losses"]
        worst = max(abs(losses[s] - truth[s]) / abs(truth[s]) for s in steps)
        torch_f32 = max(abs(a - b) / abs(b) for a, b in zip(expected["losses_f32"], truth))
        report.line(name, "ten losses", worst, 1e-4 if verb == "pretrain" else 1e-3,
                    f"(PyTorch in single precision: {torch_f32:.1e})")
    check_weights(report, name, case, folder, os.path.join(out, "model.safetensors"), expected)


def check_weights(report, name, case, folder, path, expected):
    """Same names and shapes; frozen tensors untouched; trained ones moved alike."""
    got, _ = st.read(path)
    before, _ = st.read(os.path.join(folder, "model.safetensors"))
    after, _ = st.read(os.path.join(folder, "trained.safetensors"))
    counted = "num_batches_tracked"
    wanted = {n: a.shape for n, a in after.items() if not n.endswith(counted)}
    found = {n: a.shape for n, a in got.items() if not n.endswith(counted)}
    if wanted != found:
        unlike = sorted(set(wanted.items()) ^ set(found.items()))
        report.fail(name, "names, shapes", f"{len(unlike)} differ, first {unlike[0]}")
        return
    moved, worst, worst_name = [], 0.0, "-"
    for n in wanted:
        if n.replace(cases.ALIAS, cases.ALIAS_OF) in expected["noise"]:
            continue
        old, new, truth = (x[n].astype(np.float64) for x in (before, got, after))
        if np.array_equal(old, truth):  # frozen, dead, or a table
            if not np.array_equal(new, old):
                moved.append(n)
            continue
        if "running_" in n:
            continue
        if n.endswith("attn.qkv.bias"):  # the key third is rounding noise
            third = len(old) // 3
            old, new, truth = (np.delete(x, slice(third, 2 * third)) for x in (old, new, truth))
        distance = float(np.linalg.norm(new - truth) / np.linalg.norm(truth - old))
        if not distance <= worst:
            worst, worst_name = distance, n
    if moved:
        report.fail(name, "frozen tensors", f"{len(moved)} changed, first {moved[0]}")
    unlike = [n for n in got if cases.ALIAS in n and not np.array_equal(
        got[n], got[n.replace(cases.ALIAS, cases.ALIAS_OF)])]
    if unlike:
        report.fail(name, "aliases", f"{unlike[0]} differs from its other name")
    small = case["network"]["embed"] < 192
    limit = 5e-2 if case["model"] != "mae" else 1e-3 if small else 1e-2
    report.line(name, "weight changes", worst, limit, f"worst: {worst_name}")


def check(report, name, folder, zmae, device):
    case = cases.CASES[name]
    expected = export.export(name, folder)
    limit = 1e-5 if device == "cpu" else 1e-4

    def common(verb):
        return [zmae, verb, "--device", device, "--quiet"]

    forward = check_reconstruct if case["model"] == "mae" else check_predict
    forward(report, name, case, folder, common, limit)
    check_training(report, name, case, folder, common, expected)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zmae", default=os.path.join(ROOT, "build", "zmae"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--case", action="append", choices=list(cases.CASES))
    parser.add_argument("--keep", help="folder for the files of each case")
    args = parser.parse_args()
    report = Report()
    print(f"{'case':36} {'what':16} {'error':>10} {'limit':>8}")
    names = args.case or list(cases.CASES)
    for name in names:
        try:
            if args.keep:
                check(report, name, os.path.join(args.keep, name), args.zmae, args.device)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    check(report, name, folder, args.zmae, args.device)
        except Exception as e:  # a broken output of one case must not hide the others
            report.fail(name, "check", f"{type(e).__name__}: {e}")
    print(f"{len(names)} cases on {args.device}: {report.failures} failures")
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
