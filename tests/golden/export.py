#!/usr/bin/python3
"""Writes one case as real files, for checks through the command line.

    /usr/bin/python3 tests/golden/export.py CASE OUTDIR

    model.safetensors     float32, public names, no metadata (the case astromae_small leaves
                          num_batches_tracked out, the others have it)
    data.safetensors      images, mags, z and, for autoencoders, mask_noise
    expected.safetensors  loss (1), pred, mask, z_phot or outputs: inference on all objects
    trained.safetensors   every tensor after the ten training steps
    expected.json         the case, loss, ten losses (double and single precision), names of
                          parameters with vanishing gradient ("noise": their updates are
                          rounding noise in single precision) and without one ("dead")

Expected values are computed in double precision from the float32 files and rounded.
"""
import json
import os
import sys

import numpy as np
import torch

import cases
import st


def state_arrays(model):
    """The state dict as numpy arrays, floats as float32."""
    return {name: t.detach().to(torch.float32 if t.is_floating_point() else t.dtype).numpy()
            for name, t in model.state_dict().items()}


def export(name, outdir):
    case = cases.CASES[name]
    weights, data = cases.draw_weights(case), cases.draw_data(case)
    os.makedirs(outdir, exist_ok=True)
    initial = state_arrays(cases.build(case, weights, torch.float32))
    if name == "astromae_small":
        initial = {n: a for n, a in initial.items() if not n.endswith("num_batches_tracked")}
    st.write(os.path.join(outdir, "model.safetensors"), initial)
    st.write(os.path.join(outdir, "data.safetensors"), data)

    inputs = cases.tensors(data, torch.float64)
    outputs = cases.forward(case, cases.build(case, weights, torch.float64), inputs)
    st.write(os.path.join(outdir, "expected.safetensors"),
             {n: np.atleast_1d(t.numpy()).astype(np.float32) for n, t in outputs.items()})

    peaks = {}

    def note_peaks(model):
        for n, p in model.named_parameters():
            if p.requires_grad:
                peaks[n] = None if p.grad is None else float(p.grad.abs().max())

    model = cases.build(case, weights, torch.float64)
    losses = cases.train(case, model, inputs, note_peaks)
    st.write(os.path.join(outdir, "trained.safetensors"), state_arrays(model))
    single = cases.train(case, cases.build(case, weights, torch.float32),
                         cases.tensors(data, torch.float32))
    largest = max(v for v in peaks.values() if v is not None)
    expected = {
        "case": name, **case,
        "options": cases.PRETRAIN if case["model"] == "mae" else cases.FINETUNE,
        "steps": cases.STEPS, "losses": losses, "losses_f32": single,
        "noise": sorted(n for n, v in peaks.items() if v is not None and v < 1e-9 * largest),
        "dead": sorted(n for n, v in peaks.items() if v is None),
    }
    if case["model"] == "mae":
        expected["loss"] = float(outputs["loss"])
    with open(os.path.join(outdir, "expected.json"), "w", encoding="ascii") as f:
        json.dump(expected, f, indent=1)
    return expected


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in cases.CASES:
        sys.exit(f"usage: export.py CASE OUTDIR\ncases: {' '.join(cases.CASES)}")
    export(sys.argv[1], sys.argv[2])
