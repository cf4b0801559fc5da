"""The cases: small networks that run in milliseconds, and the published ones in full.

A case is a network, a seed and a data set of `count` objects. Everything in it is drawn by
name (philox.py). Training takes `batch` objects a step in file order, wrapping round inside
a batch: step k takes objects (k * batch + i) mod count.
"""
import contextlib

import numpy as np
import torch
import torch.nn.functional as F

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
    """bins: of a pdf; 0: a normal law; absent: a redshift."""
    bins = changes.pop("bins", None)
    head = ({"kind": "regression"} if bins is None else
            {"kind": "pdf" if bins else "gauss", "bins": bins or 180, "z_min": 0.0,
             "z_max": 0.4})
    outputs = 1 if bins is None else bins or 2
    return {"model": "astromae", "seed": seed, "count": count, "batch": batch,
            "noise_levels": 0,
            "network": {"branches": reference.ALL_BRANCHES, "train_encoder": False, **base,
                        "head": head, "outputs": outputs, **changes}}


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
    # what the head means
    "astromae_small_pdf": _astro(31, 5, 4, SMALL, bins=40),
    "astromae_small_gauss": _astro(32, 5, 4, SMALL, bins=0),
    "astromae_full_pcm_pdf": _astro(33, 8, 8, FULL, pcm=True, bins=180),
    "astromae_full_pcm_gauss": _astro(34, 8, 8, FULL, pcm=True, bins=0),
    # the published ablations
    "vit_small_pcm": _astro(41, 5, 4, SMALL, pcm=True, branches=["encoder"]),
    "vit_magnitude_small": _astro(42, 5, 4, SMALL, branches=["encoder", "magnitudes"]),
    "vit_inception_small_pcm": _astro(52, 5, 4, SMALL, pcm=True,
                                      branches=["encoder", "inception"]),
    "inception_small": _astro(44, 5, 4, SMALL, branches=["inception"]),
    "henghes_small": _astro(52, 5, 4, SMALL, branches=["inception", "magnitudes"]),
    "scratch_vit_small_pcm": _astro(46, 5, 4, SMALL, pcm=True, branches=["encoder"],
                                    train_encoder=True),
    "scratch_vit_magnitude_small_pcm_pdf": _astro(
        47, 5, 4, SMALL, pcm=True, branches=["encoder", "magnitudes"], train_encoder=True,
        bins=40),
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
        out = model(data["images"], data["mags"])
        return {"z_phot" if out.ndim == 1 else "outputs": out}


def batch_loss(case, model, data, rows):
    if case["model"] == "mae":
        return model(data["images"][rows], data["mask_noise"][rows])[0]
    out, z = model(data["images"][rows], data["mags"][rows]), data["z"][rows]
    head = case["network"]["head"]
    if head["kind"] == "pdf":
        return F.cross_entropy(out, bin_of(head, z))
    if head["kind"] == "gauss":  # eps far below: no variance is clamped
        return F.gaussian_nll_loss(out[:, 0], z, out[:, 1].exp(), full=False, eps=1e-30)
    return ((out - z) ** 2).mean()


def bin_of(head, z):
    """Bins are equal parts of the range; what lies outside counts to the nearest."""
    share = (z.double() - head["z_min"]) / (head["z_max"] - head["z_min"])
    return (share * head["bins"]).floor().clamp(0, head["bins"] - 1).long()


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
