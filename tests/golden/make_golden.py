#!/usr/bin/python3
"""Writes tests/golden/CASE.json for every case, or for those named on the command line.

    /usr/bin/python3 tests/golden/make_golden.py [CASE ...]

Format (JSON, floats with 9 significant digits, values computed by PyTorch in double
precision from the float32 tensors drawn by philox.py):

    case, model ("mae" or "astromae"), seed, count, batch, noise_levels, network {...}
    options    lr, weight_decay, betas, eps of training
    tensors    name -> [[shape], checksum of the drawn float32 values (philox.checksum)];
               the drawn tensors of the model and of the data set
    forward    inference mode (batch norms use running statistics), all `count` objects as
               one batch: name -> array below; "loss" is the loss of an autoencoder
    losses     STEPS training losses (batch norms in training mode where they train), each
               before its update; losses_f32: the same from PyTorch in single precision
    grads      after backward of step 0: name -> array below, for each trained parameter;
               "dead" lists trained parameters that no output depends on: PyTorch gives them
               no gradient and AdamW leaves them alone, decay included
    buffers    running_mean and running_var after the forward pass of step 0 (only those
               that it changes)
    f32_error  max |single - double| / max |double| of PyTorch itself: forward, grads (worst
               tensor, parameters whose gradient vanishes by symmetry excepted), losses

    array      {"shape": [..], "norm": Euclidean norm, "max": largest magnitude,
                "at": [values]}
               "at" holds the whole array in row-major order where it has no more than K
               elements, else the K elements with flat indices
               ((i + 1) * 2654435761) mod size, i = 0 .. K-1 (64-bit arithmetic).
               K = 8 for gradients and buffers, 4096 (small cases) or 1024 for pred,
               everything for mask, z_phot and outputs (of a head of several).

parameters.json: name of a network of the paper -> [all, trained] parameters in full size.

Some gradients are zero by symmetry: the key third of attn.qkv.bias (softmax does not see
it) and a convolution's bias before a batch norm in training mode. In single precision they
are rounding noise: compare with a tolerance relative to "grad_scale", the largest "max" of
all gradients, where "max" is below 1e-9 * grad_scale.

Per-case memory: below 1 GB; all cases take about a minute on two cores.
"""
import json
import os
import sys

import torch

import cases
import philox
import reference

HERE = os.path.dirname(os.path.abspath(__file__))


def number(x):
    return float("%.9g" % float(x))


def sample_indices(size, k):
    if size <= k:
        return list(range(size))
    return [((i + 1) * 2654435761) % size for i in range(k)]


def array(tensor, k):
    flat = tensor.detach().double().reshape(-1)
    index = torch.tensor(sample_indices(flat.numel(), k), dtype=torch.long)
    return {"shape": list(tensor.shape), "norm": number(flat.norm()),
            "max": number(flat.abs().max()), "at": [number(v) for v in flat[index]]}


def error(a, b):
    """max |a - b| / max |b|."""
    a, b = a.double(), b.double()
    return float((a - b).abs().max() / b.abs().max())


def evaluate(case, weights, data, dtype):
    """forward, losses, grads and changed buffers in the given arithmetic."""
    inputs = cases.tensors(data, dtype)
    outputs = cases.forward(case, cases.build(case, weights, dtype), inputs)
    model = cases.build(case, weights, dtype)
    before = {n: b.clone() for n, b in model.named_buffers() if "running" in n}
    first = {}

    def keep(m):
        first["grads"] = {n: p.grad.clone() if p.grad is not None else None
                          for n, p in m.named_parameters() if p.requires_grad}
        first["buffers"] = {n: b.clone() for n, b in m.named_buffers()
                            if n in before and not torch.equal(b, before[n])}

    losses = cases.train(case, model, inputs, keep)
    return outputs, losses, first["grads"], first["buffers"]


def make(name):
    case = cases.CASES[name]
    weights, data = cases.draw_weights(case), cases.draw_data(case)
    outputs, losses, grads, buffers = evaluate(case, weights, data, torch.float64)
    outputs32, losses32, grads32, _ = evaluate(case, weights, data, torch.float32)

    live = {n: g for n, g in grads.items() if g is not None}
    scale = max(float(g.abs().max()) for g in live.values())
    worst = max((error(grads32[n], g) for n, g in live.items()
                 if float(g.abs().max()) > 1e-9 * scale))
    options = cases.PRETRAIN if case["model"] == "mae" else cases.FINETUNE
    small = case["network"]["embed"] < 192
    sizes = {"pred": 4096 if small else 1024}
    forward = {n: number(t) if n == "loss" else array(t, sizes.get(n, t.numel()))
               for n, t in outputs.items()}
    loss_error = max(abs(a - b) / abs(b) for a, b in zip(losses32, losses))
    main = next(n for n in ("pred", "z_phot", "outputs") if n in outputs)
    return {
        "case": name, **{k: case[k] for k in ("model", "seed", "count", "batch",
                                              "noise_levels", "network")},
        "options": {**options, "betas": list(options["betas"]), "eps": 1e-8},
        "tensors": {n: [list(a.shape), philox.checksum(a)]
                    for n, a in {**weights, **data}.items()},
        "forward": forward,
        "losses": [number(x) for x in losses],
        "losses_f32": [number(x) for x in losses32],
        "grad_scale": number(scale),
        "dead": sorted(n for n, g in grads.items() if g is None),
        "grads": {n: array(g, 8) for n, g in live.items()},
        "buffers": {n: array(b, 8) for n, b in buffers.items()},
        "f32_error": {"forward": number(error(outputs32[main], outputs[main])),
                      "grads": number(worst), "losses": number(loss_error)},
    }


def tables():
    """Samples of the sine-cosine table that fresh models start from."""
    out = []
    for dim, grid in ((192, 4), (64, 4), (32, 2), (64, 16), (768, 14)):
        table = torch.from_numpy(reference.sincos_table(dim, grid))
        out.append({"dim": dim, "grid": grid, **array(table, 256)})
    return {"tables": out}


def text(golden):
    """One line a top-level value, one line a tensor."""
    lines = []
    for key, value in golden.items():
        if isinstance(value, dict) and key in ("tensors", "forward", "grads", "buffers"):
            inner = ",\n".join(f"  {json.dumps(n)}: {json.dumps(v, separators=(',', ':'))}"
                               for n, v in value.items())
            lines.append(f"{json.dumps(key)}: {{\n{inner}\n}}")
        elif key == "tables":
            inner = ",\n".join(f"  {json.dumps(v, separators=(',', ':'))}" for v in value)
            lines.append(f"{json.dumps(key)}: [\n{inner}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(names):
    philox.self_check()
    counts = reference.parameter_counts()
    unknown = [n for n in names if n not in cases.CASES]
    if unknown:
        sys.exit(f"unknown case {unknown[0]}; there are: {' '.join(cases.CASES)}")
    for name in names or cases.CASES:
        golden = make(name)
        path = os.path.join(HERE, f"{name}.json")
        with open(path, "w", encoding="ascii") as f:
            f.write(text(golden))
        e = golden["f32_error"]
        print(f"{name:20} {os.path.getsize(path):8d} bytes   float32 error: forward "
              f"{e['forward']:.1e}  grads {e['grads']:.1e}  losses {e['losses']:.1e}   "
              f"losses {golden['losses'][0]:.6g} .. {golden['losses'][-1]:.6g}")
    if not names:
        for other, content in (("pos_embed", tables()), ("parameters", counts)):
            with open(os.path.join(HERE, f"{other}.json"), "w", encoding="ascii") as f:
                f.write(text(content))


if __name__ == "__main__":
    main(sys.argv[1:])
