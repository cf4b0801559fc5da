"""The cases: small networks that run in milliseconds, and the published ones in full.

A case is a network, a seed and a data set of `count` objects. Everything in it is drawn by
name (philox.py). Training takes `batch` objects a step in file order, wrapping round inside
a batch: step k takes objects (k * batch + i) mod count.
"""
import contextlib

import numpy as np
import torch

import philox
import reference

STEPS = 10
PRETRAIN = {"lr": 1e-3, "weight_decay": 0.05, "betas": (0.9, 0.95)}
FINETUNE = {"lr": 1e-5, "weight_decay": 0.005, "betas": (0.9, 0.999)}

SMALL = {"image": 16, "patch": 4, "embed": 64, "depth": 2, "heads": 2, "pcm": False}
FULL = {"image": 32, "patch": 8, "embed": 192, "depth": 12, "heads": 3, "pcm": False}


def _mae(seed, count, batch, base, ddim, ddepth, dheads, **changes):
    noise_levels = changes.pop("noise_levels", 0)
    network = {**base, "decoder_embed": ddim, "decoder_depth": ddepth,
               "decoder_heads": dheads, "mask_ratio": 0.75, "norm_pix": False, **changes}
    return {"model": "mae", "seed": seed, "count": count, "batch": batch,
            "noise_levels": noise_levels, "network": network}


def _astro(seed, count, batch, base, **changes):
    return {"model": "astromae", "seed": seed, "count": count, "batch": batch,
            "noise_levels": 0, "network": {**base, **changes}}


CASES = {
    # one visible token, wrapping round inside a batch
    "mae_tiny": _mae(11, 4, 3, SMALL, 32, 1, 2, patch=8, embed=32),
    # noise in quarters: ties
    "mae_small": _mae(12, 5, 4, SMALL, 32, 1, 2, noise_levels=4),
    "mae_small_pcm": _mae(13, 5, 4, SMALL, 32, 1, 2, pcm=True),
    "mae_small_normpix": _mae(14, 4, 4, SMALL, 32, 1, 2, norm_pix=True),
    "mae_64": _mae(15, 2, 2, SMALL, 64, 1, 1, image=64, heads=1),
    "mae_64_pcm": _mae(16, 2, 2, SMALL, 64, 1, 1, image=64, patch=8, heads=1, pcm=True),
    "mae_full": _mae(17, 8, 8, FULL, 192, 4, 3),
    "mae_full_pcm": _mae(18, 8, 8, FULL, 192, 4, 3, pcm=True),
    "astromae_small": _astro(21, 5, 4, SMALL),
    "astromae_small_pcm": _astro(22, 5, 4, SMALL, pcm=True),
    "astromae_64_pcm": _astro(23, 3, 3, SMALL, image=64, patch=8, heads=1, pcm=True),
    "astromae_full": _astro(24, 8, 8, FULL),
    "astromae_full_pcm": _astro(25, 8, 8, FULL, pcm=True),
}

ALIAS = "inception_model.vis_inception.0."
ALIAS_OF = "inception_model.conv2d_init."


def draw_weights(case):
    """name -> float32 array for every drawn tensor of the state dict (aliases once)."""
    model = _empty(case)
    return {name: philox.draw(name, tuple(t.shape), case["seed"])
            for name, t in model.state_dict().items()
            if not name.startswith(ALIAS) and not name.endswith("num_batches_tracked")}


def draw_data(case):
    """The data set: images, mags, z and, for autoencoders, mask_noise."""
    n, net, seed = case["count"], case["network"], case["seed"]
    shapes = {"images": (n, reference.BANDS, net["image"], net["image"]),
              "mags": (n, reference.BANDS), "z": (n,)}
    if case["model"] == "mae":
        shapes["mask_noise"] = (n, (net["image"] // net["patch"]) ** 2)
    data = {name: philox.draw(name, shape, seed) for name, shape in shapes.items()}
    levels = np.float32(case["noise_levels"])
    if levels:
        data["mask_noise"] = np.floor(data["mask_noise"] * levels) / levels
    return data


def _empty(case):
    kind = reference.MaskedAutoencoder if case["model"] == "mae" else reference.AstroMae
    with _no_random_init():
        return kind(case["network"])


@contextlib.contextmanager
def _no_random_init():
    """Keeps PyTorch's generator where it was; its numbers are all overwritten anyway."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def build(case, weights, dtype):
    """The model with these weights, in the given arithmetic, in inference mode."""
    model = _empty(case)
    state = {name: torch.from_numpy(w.copy()) for name, w in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    left = [m for m in missing
            if not m.startswith(ALIAS) and not m.endswith("num_batches_tracked")]
    assert not left and not unexpected, (left, unexpected)
    return model.to(dtype).eval()


def tensors(data, dtype):
    return {name: torch.from_numpy(a).to(dtype) for name, a in data.items()}


def forward(case, model, data):
    """Inference on the whole data set: loss, pred and mask, or z_phot."""
    with torch.no_grad():
        if case["model"] == "mae":
            loss, pred, mask = model(data["images"], data["mask_noise"])
            return {"loss": loss, "pred": pred, "mask": mask}
        return {"z_phot": model(data["images"], data["mags"])}


def batch_loss(case, model, data, rows):
    if case["model"] == "mae":
        return model(data["images"][rows], data["mask_noise"][rows])[0]
    z_phot = model(data["images"][rows], data["mags"][rows])
    return ((z_phot - data["z"][rows]) ** 2).mean()


def train(case, model, data, on_first=None):
    """STEPS losses, each before its update. on_first(model) is called after backward of
    step 0, before its update."""
    model.train()
    options = PRETRAIN if case["model"] == "mae" else FINETUNE
    optimizer = reference.adamw(model, **options)
    losses = []
    for step in range(STEPS):
        rows = [(step * case["batch"] + i) % case["count"] for i in range(case["batch"])]
        optimizer.zero_grad(set_to_none=True)
        loss = batch_loss(case, model, data, rows)
        loss.backward()
        if step == 0 and on_first:
            on_first(model)
        optimizer.step()
        losses.append(loss.item())
    return losses
