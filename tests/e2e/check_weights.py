#!/usr/bin/python3
"""Weights that travel: PyTorch files, names of Hugging Face, half floats, other sizes.

    /usr/bin/python3 tests/e2e/check_weights.py [--zmae build/zmae]

Files are written by torch.save; Hugging Face's layout is made here by slicing, apart from
the tables in core/train/weight_names.c. What goes there and back must come back bit for
bit, what is read from another format must give the same bits of output. Prints a line a
check; the exit status is 1 if any failed.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))

import cases  # noqa: E402
import st  # noqa: E402


class Checks:
    def __init__(self, zmae, folder):
        self.zmae, self.folder, self.failures = zmae, folder, 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def line(self, what, good, note=""):
        self.failures += not good
        print(f"{'ok  ' if good else 'FAIL'}  {what}{': ' + note if note and not good else ''}",
              flush=True)
        return good

    def run(self, *args):
        done = subprocess.run([self.zmae, *args], capture_output=True, text=True, timeout=300)
        return done.returncode, done.stderr.strip()

    def succeeds(self, what, *args):
        status, text = self.run(*args)
        return self.line(what, status == 0, f"exit {status}: {text[-200:]}")

    def refused(self, what, status, pattern, *args):
        found, text = self.run(*args)
        self.line(what, found == status and re.search(pattern, text) is not None,
                  f"exit {found}, expected {status} and /{pattern}/: {text[-300:]}")

    def output(self, model, kind, data=None):
        """What the model says of the data of its case, or None where it failed."""
        out = self.path("out.safetensors" if kind == "mae" else "out.csv")
        if os.path.exists(out):
            os.remove(out)
        verb = "reconstruct" if kind == "mae" else "predict"
        status, text = self.run(verb, "--model", model, "--data",
                                data or self.path(f"{kind}-data.safetensors"), "--out", out,
                                "--heads", "2")
        if status:
            self.line(f"{verb} {os.path.basename(model)}", False, f"exit {status}: {text}")
            return None
        if kind == "mae":
            return st.read(out)[0]["pred"]
        with open(out) as f:
            rows = [line.rstrip("\n").split(",") for line in f]
        return np.array([float(r[rows[0].index("z_phot")]) for r in rows[1:]])


def same_file(a, b):
    """Equal names, dtypes, bits and metadata."""
    (x, mx), (y, my) = st.read(a), st.read(b)
    return (x.keys() == y.keys() and mx == my and
            all(x[n].dtype == y[n].dtype and x[n].shape == y[n].shape and
                x[n].tobytes() == y[n].tobytes() for n in x))


def state_of(name):
    case = cases.CASES[name]
    model = cases.build(case, cases.draw_weights(case), torch.float32)
    return collections.OrderedDict((n, t.detach().clone())
                                   for n, t in model.state_dict().items())


def numpy_of(state):
    return {n: t.to(torch.float32 if t.is_floating_point() else t.dtype).contiguous().numpy()
            for n, t in state.items()}


# ---- files of torch.save


def one_storage(state):
    """The same values as views of one storage, at odd places."""
    flat = torch.cat([torch.full((3,), 99.0)] + [t.reshape(-1) for t in state.values()])
    out, at = collections.OrderedDict(), 3
    for name, t in state.items():
        out[name] = flat[at:at + t.numel()].view(t.shape)
        at += t.numel()
    return out


def strided(state):
    """The same values with strides as other libraries leave them."""
    out = collections.OrderedDict()
    for i, (name, t) in enumerate(state.items()):
        if t.dim() >= 2:
            order = list(range(t.dim()))[::-1] if i % 2 else [1, 0] + list(range(2, t.dim()))
            t = t.permute(order).contiguous().permute(np.argsort(order).tolist())
        elif t.dim() == 1:
            t = torch.stack([t, t + 1], dim=1)[:, 0]
        out[name] = t
    return out


def save_forms(checks, state):
    real = {n: t for n, t in state.items() if t.is_floating_point()}
    module = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    module(torch.zeros(1, 2)).sum().backward()
    optimizer.step()
    named = collections.OrderedDict(state)
    named._metadata = collections.OrderedDict({"": {"version": 1}})
    forms = {
        "dict": dict(state),
        "state_dict with versions": named,
        "parameters": {n: torch.nn.Parameter(t) for n, t in real.items()},
        "DataParallel": {"module." + n: t for n, t in state.items()},
        "Meta's checkpoint": {"model": state, "optimizer": optimizer.state_dict(), "epoch": 7,
                              "scaler": {"scale": 65536.0, "growth_interval": 2000},
                              "args": argparse.Namespace(lr=1e-3, betas=[0.9, None],
                                                         name="x", seed=2 ** 80)},
        "Lightning's checkpoint": {"epoch": 1, "state_dict": state, "loops": {}},
        "views of one storage": one_storage(real),
        "strides": strided(real),
    }
    for name, content in forms.items():
        path = checks.path(re.sub(r"\W+", "-", name) + ".pt")
        torch.save(content, path)
        yield name, path
    path = checks.path("newer.pt")  # the further entries of PyTorch 2.6
    with zipfile.ZipFile(checks.path("dict.pt")) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.namelist():
            new.writestr(entry.replace("archive/", "newer/"), old.read(entry))
        for entry, text in (("byteorder", "little"), (".format_version", "1"),
                            (".storage_alignment", "64"), (".data/serialization_id", "0" * 40)):
            new.writestr("newer/" + entry, text)
    yield "further entries", path
    for protocol in (3, 4, 5):
        path = checks.path(f"protocol-{protocol}.pth")
        torch.save(dict(state), path, pickle_protocol=protocol)
        yield f"pickle protocol {protocol}", path


def check_torch_files(checks, case, kind):
    state = state_of(case)
    st.write(checks.path("twin.safetensors"), numpy_of(state))
    want = checks.output(checks.path("twin.safetensors"), kind)
    for name, path in save_forms(checks, state):
        found = checks.output(path, kind)
        checks.line(f"{case}: {name}", found is not None and np.array_equal(found, want))
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        rounded = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
        torch.save(rounded, checks.path("typed.pt"))
        st.write(checks.path("typed.safetensors"), numpy_of(rounded))
        found = checks.output(checks.path("typed.pt"), kind)
        twin = checks.output(checks.path("typed.safetensors"), kind)
        checks.line(f"{case}: {dtype}", found is not None and np.array_equal(found, twin))
    torch.save(dict(state), checks.path("old.pt"), _use_new_zipfile_serialization=False)
    checks.refused(f"{case}: the format before 1.6", 3, "torch.save it again", "convert",
                   checks.path("old.pt"), checks.path("x.safetensors"))


# ---- Hugging Face


def to_hf(tensors):
    """A timm state dict in the layout of transformers' ViTMAEForPreTraining."""
    out = {}
    whole = {"cls_token": "vit.embeddings.cls_token",
             "pos_embed": "vit.embeddings.position_embeddings",
             "mask_token": "decoder.mask_token", "decoder_pos_embed": "decoder.decoder_pos_embed"}
    layers = {"patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
              "norm": "vit.layernorm", "decoder_embed": "decoder.decoder_embed",
              "decoder_norm": "decoder.decoder_norm", "decoder_pred": "decoder.decoder_pred"}
    inner = {"norm1": "layernorm_before", "norm2": "layernorm_after",
             "attn.proj": "attention.output.dense", "mlp.fc1": "intermediate.dense",
             "mlp.fc2": "output.dense"}
    for name, a in tensors.items():
        block = re.fullmatch(r"(decoder_)?blocks\.(\d+)\.(.+)", name)
        if name in whole:
            out[whole[name]] = a
            continue
        if not block:
            layer, kind = name.rsplit(".", 1)
            out[f"{layers[layer]}.{kind}"] = a
            continue
        decoder, number, rest = block.groups()
        head = f"decoder.decoder_layers.{number}" if decoder else f"vit.encoder.layer.{number}"
        attention = f"{head}.attention.attention"
        if rest in ("attn.qkv.weight", "attn.qkv.bias"):
            width = a.shape[0] // 3
            for i, part in enumerate(("query", "key", "value")):
                out[f"{attention}.{part}.{rest[9:]}"] = a[i * width:(i + 1) * width]
        elif rest == "attn.q_bias":
            out[f"{attention}.query.bias"] = a
            out[f"{attention}.key.bias"] = np.zeros_like(a)
        elif rest == "attn.v_bias":
            out[f"{attention}.value.bias"] = a
        elif rest.startswith("PCM."):
            out[f"{head}.pcm.{rest[4:]}"] = a
        else:
            layer, kind = rest.rsplit(".", 1)
            out[f"{head}.{inner[layer]}.{kind}"] = a
    return out


def check_hugging_face(checks, case):
    timm, back, hf = (checks.path(f"{n}.safetensors") for n in ("timm", "back", "hf"))
    made = checks.path("made.safetensors")
    st.write(checks.path("bare.safetensors"), numpy_of(state_of(case)))
    checks.succeeds(f"{case}: as timm", "convert", checks.path("bare.safetensors"), timm,
                    "--heads", "2")
    tensors, metadata = st.read(timm)
    checks.succeeds(f"{case}: timm to hf", "convert", timm, hf, "--names", "hf")
    st.write(made, to_hf(tensors), metadata)
    checks.line(f"{case}: hf as sliced by hand", same_file(hf, made))
    checks.succeeds(f"{case}: hf to timm", "convert", hf, back)
    checks.line(f"{case}: there and back, bit for bit",
                open(timm, "rb").read() == open(back, "rb").read())
    want = checks.output(timm, "mae")
    checks.line(f"{case}: hf gives the same output",
                np.array_equal(checks.output(hf, "mae"), want))
    st.write(checks.path("bare-hf.safetensors"), to_hf(tensors))
    checks.line(f"{case}: hf without metadata", np.array_equal(
        checks.output(checks.path("bare-hf.safetensors"), "mae"),
        checks.output(checks.path("bare.safetensors"), "mae")))
    torch.save({n: torch.from_numpy(np.array(a)) for n, a in to_hf(tensors).items()},
               checks.path("hf.pt"))
    checks.line(f"{case}: hf names in a PyTorch file", np.array_equal(
        checks.output(checks.path("hf.pt"), "mae"),
        checks.output(checks.path("bare.safetensors"), "mae")))

    broken = to_hf(tensors)
    key = next(n for n in broken if n.endswith("0.attention.attention.key.weight"))
    del broken[key]
    st.write(checks.path("broken.safetensors"), broken)
    checks.refused(f"{case}: a missing key", 3, "expected query, key and value", "convert",
                   checks.path("broken.safetensors"), checks.path("x.safetensors"))
    if case.endswith("pcm"):
        biased = to_hf(tensors)
        key = next(n for n in biased if re.search(r"encoder.*key\.bias", n))
        biased[key] = biased[key] + np.float32(1e-3)
        st.write(checks.path("broken.safetensors"), biased)
        checks.refused(f"{case}: a key with a bias", 3, "expected zeros", "convert",
                       checks.path("broken.safetensors"), checks.path("x.safetensors"))


# ---- the rest of convert


def check_names(checks):
    tensors = numpy_of(state_of("mae_small"))
    renamed = {("odd." + n if n in ("norm.bias", "mask_token") else n): a
               for n, a in tensors.items()}
    renamed.update({f"extra{i:02}": np.zeros(1, np.float32) for i in range(12)})
    st.write(checks.path("few.safetensors"), renamed)
    checks.refused("missing and unexpected tensors are named, ten of each", 3,
                   r"missing tensors: norm.bias, mask_token; unexpected tensors: "
                   r"(extra\d\d, ){9}extra09 and 4 more",
                   "convert", checks.path("few.safetensors"), checks.path("x.safetensors"))
    encoder = {n: a for n, a in tensors.items() if not n.startswith(("decoder", "mask_token"))}
    st.write(checks.path("few.safetensors"), encoder)
    checks.refused("an encoder alone is refused by that name", 3, "an encoder alone", "convert",
                   checks.path("few.safetensors"), checks.path("x.safetensors"))
    astro = checks.path("astro.safetensors")
    st.write(astro, numpy_of(state_of("astromae_small")))
    checks.refused("a redshift model has no names of Hugging Face", 2, "fc_norm|head|vit_block",
                   "convert", astro, checks.path("x.safetensors"), "--names", "hf",
                   "--heads", "2")
    checks.refused("an autoencoder has no names of AstroMAE", 2, "--names", "convert",
                   checks.path("timm.safetensors"), checks.path("x.safetensors"), "--names",
                   "astromae")
    checks.line("nothing is left of what failed", not os.path.exists(checks.path("x.safetensors")))
    checks.succeeds("a redshift model to its names", "convert", astro,
                    checks.path("astro2.safetensors"), "--names", "astromae", "--heads", "2")
    a, b = st.read(astro)[0], st.read(checks.path("astro2.safetensors"))[0]
    a = {n: x for n, x in a.items() if not n.endswith("num_batches_tracked")}
    checks.line("every name of it is written, both of the stem too", a.keys() == b.keys() and
                all(a[n].tobytes() == b[n].tobytes() for n in a))


def check_halves(checks):
    timm, half = checks.path("timm.safetensors"), checks.path("half.safetensors")
    checks.succeeds("to half floats", "convert", timm, half, "--dtype", "f16")
    full, short = st.read(timm)[0], st.read(half)[0]
    with np.errstate(under="ignore"):
        checks.line("halves are those of numpy", all(
            short[n].tobytes() == full[n].astype(np.float16).tobytes() for n in full))
    checks.line("halves are read", checks.output(half, "mae") is not None)
    big = dict(full)
    big["norm.bias"] = big["norm.bias"] + np.float32(70000)
    st.write(checks.path("big.safetensors"), big)
    checks.refused("what is no half float is refused", 3, "norm.bias: .*half", "convert",
                   checks.path("big.safetensors"), checks.path("x.safetensors"), "--dtype",
                   "f16", "--heads", "2")


def check_positions(checks):
    model, out = checks.path("positions.safetensors"), checks.path("resized.safetensors")
    tensors = numpy_of(state_of("mae_small"))
    rng = np.random.default_rng(5)
    for name in ("pos_embed", "decoder_pos_embed"):
        tensors[name] = rng.uniform(-1, 1, tensors[name].shape).astype(np.float32)
    st.write(model, tensors)
    for image in (8, 12, 16, 20, 32, 52):
        status, text = checks.run("convert", model, out, "--image", str(image), "--heads", "2")
        if not checks.line(f"positions for {image} pixels", status == 0, text):
            continue
        found = st.read(out)[0]
        worst = 0.0
        for name in ("pos_embed", "decoder_pos_embed"):
            table = torch.from_numpy(tensors[name]).double()
            grid = int(round((table.shape[1] - 1) ** 0.5))
            square = table[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
            square = torch.nn.functional.interpolate(
                square, size=(image // 4, image // 4), mode="bicubic", align_corners=False)
            want = torch.cat([table[:, :1], square.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
            if want.shape == found[name].shape:
                worst = max(worst, np.abs(found[name] - want.numpy()).max())
            else:
                worst = np.inf
        checks.line(f"positions for {image} pixels are torch's bicubic", worst <= 1e-6,
                    f"{worst:.1e}")
        checks.line(f"all else stays at {image} pixels", all(
            found[n].tobytes() == a.tobytes() for n, a in tensors.items() if "pos_embed" not in n))
    checks.refused("a side that patches do not divide", 3, "patch", "convert", model,
                   checks.path("x.safetensors"), "--image", "18", "--heads", "2")


def check_metadata(checks):
    """The zmae metadata, as a string beside the state dict of a PyTorch file."""
    tensors, metadata = st.read(checks.path("timm.safetensors"))
    state = {n: torch.from_numpy(a.copy()) for n, a in tensors.items()}
    torch.save({"model": state, "zmae": metadata["zmae"]}, checks.path("meta.pt"))
    checks.succeeds("metadata in a PyTorch file", "convert", checks.path("meta.pt"),
                    checks.path("meta.safetensors"))
    checks.line("metadata come back", same_file(checks.path("meta.safetensors"),
                                               checks.path("timm.safetensors")))
    torch.save({"model": state, "zmae": "no JSON"}, checks.path("meta.pt"))
    checks.refused("metadata that are none", 3, "metadata", "convert", checks.path("meta.pt"),
                   checks.path("x.safetensors"))


def check_info(checks):
    for name, kind in (("Meta-s-checkpoint.pt", "PyTorch"), ("hf.safetensors", "safetensors")):
        done = subprocess.run([checks.zmae, "info", "--json", checks.path(name)],
                              capture_output=True, text=True, timeout=60)
        found = json.loads(done.stdout) if done.returncode == 0 else {}
        checks.line(f"info {name}", found.get("format") == kind and
                    len(found.get("tensors", [])) > 10 and "kind" in found, done.stderr)
    text = subprocess.run([checks.zmae, "info", checks.path("timm.safetensors")],
                          capture_output=True, text=True, timeout=60).stdout
    checks.line("info without --tensors is short", 0 < text.count("\n") < 40 and
                "attn.qkv" not in text)
    text = subprocess.run([checks.zmae, "info", "--tensors", checks.path("timm.safetensors")],
                          capture_output=True, text=True, timeout=60).stdout
    checks.line("info --tensors names them", "blocks.0.attn.qkv.weight" in text)


def check_data_sets(checks):
    first, fits, last = (checks.path(n) for n in ("sky.safetensors", "sky.fits", "again.safetensors"))
    checks.succeeds("simulate", "simulate", "--count", "5", "--seed", "3", "--size", "32",
                    "--out", first)
    tensors, metadata = st.read(first)
    tensors["images"] = tensors["images"].copy()
    tensors["images"][2, 1, 3, 4] = np.nan
    st.write(first, tensors, metadata)
    checks.succeeds("data set to FITS", "convert", first, fits)
    checks.succeeds("and back", "convert", fits, last)
    again, meta = st.read(last)
    checks.line("pixels, labels and positions are the same", all(
        again[n].tobytes() == tensors[n].tobytes()
        for n in ("images", "mags", "z", "ebv", "object_id", "ra", "dec")))
    checks.line("what the magnitudes are and that it was simulated, too", meta == metadata or
                all(meta.get(k) == v for k, v in metadata.items() if k not in ("origin",)),
                f"{metadata} {meta}")
    checks.refused("names are for models", 2, "--names", "convert", first, last, "--names", "hf")


def check_export(checks):
    """A whole module, wrapped and pickled with its class, through tests/tools."""
    with open(checks.path("standin.py"), "w") as f:
        f.write("import torch\nclass Net(torch.nn.Module):\n"
                "    def __init__(self):\n        super().__init__()\n"
                "        self.first = torch.nn.Linear(3, 2)\n        self.again = self.first\n"
                "        self.bn = torch.nn.BatchNorm1d(2)\n")
    sys.path.insert(0, checks.folder)
    import standin  # noqa: PLC0415
    net = standin.Net()
    torch.save(torch.nn.DataParallel(net), checks.path("module.pt"))
    checks.refused("a pickled module is refused by name", 3, r"wants to run torch\.nn\.parallel",
                   "info", checks.path("module.pt"))
    out = checks.path("module.safetensors")
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests/tools/export_astromae.py"),
                           checks.path("module.pt"), out, "--path", checks.folder],
                          capture_output=True, text=True, timeout=120)
    if checks.line("export_astromae.py", done.returncode == 0, done.stderr[-300:]):
        found, want = st.read(out)[0], net.state_dict()
        checks.line("every name of the module", found.keys() == want.keys() and all(
            np.array_equal(found[n], want[n].numpy().reshape(found[n].shape)) for n in want))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--zmae", default=os.path.join(ROOT, "build", "zmae"))
    args = parser.parse_args()
    os.environ["ZMAE_DEVICE"] = "cpu"
    with tempfile.TemporaryDirectory() as folder:
        checks = Checks(os.path.abspath(args.zmae), folder)
        for kind, case in (("mae", "mae_small"), ("astromae", "astromae_small_pcm")):
            st.write(checks.path(f"{kind}-data.safetensors"), cases.draw_data(cases.CASES[case]))
        check_torch_files(checks, "mae_small_pcm", "mae")
        check_torch_files(checks, "astromae_small_pcm", "astromae")
        for case in ("mae_small_pcm", "mae_small"):
            check_hugging_face(checks, case)
        check_names(checks)
        check_halves(checks)
        check_positions(checks)
        check_metadata(checks)
        check_info(checks)
        check_data_sets(checks)
        check_export(checks)
    print(f"{checks.failures} failed" if checks.failures else "all passed")
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
