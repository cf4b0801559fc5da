#!/usr/bin/env python3
"""Writes the weights of a pickled PyTorch module as safetensors that zmae reads.

    export_astromae.py IN.pt OUT.safetensors [--path DIR]...

For files that hold a whole module instead of its state dict, such as the released AstroMAE:
to load one, Python runs what the file says and imports the classes that it names. --path
adds the folder of those sources (for AstroMAE: a checkout of AI-for-Astronomy's inference
folder, with timm 0.4.12 installed). Do this only with files you trust, and best in a
container without network. zmae itself never runs such a file.

DataParallel is unwrapped. Names are those of the module; a tensor with two names is written
under both.
"""
import argparse
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))

import st  # noqa: E402


def load_module(path):
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=False)
    except TypeError:  # PyTorch before 1.13 knows no weights_only
        loaded = torch.load(path, map_location="cpu")
    if isinstance(loaded, dict):
        sys.exit(f"{path}: holds a dict, not a module: zmae reads state dicts as they are")
    if not isinstance(loaded, torch.nn.Module):
        sys.exit(f"{path}: expected a torch.nn.Module, found {type(loaded).__name__}")
    while isinstance(loaded, torch.nn.DataParallel):
        loaded = loaded.module
    return loaded


def arrays(module):
    out = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            out[name] = tensor.to(torch.float32).numpy()
        elif tensor.dtype in (torch.int64, torch.int32):
            out[name] = tensor.numpy()
        else:
            sys.exit(f"{name}: expected floating point or int64, found {tensor.dtype}")
        if not np.isfinite(out[name]).all():
            sys.exit(f"{name}: some values are not finite")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--path", action="append", default=[],
                        help="folder with the sources of the module's classes")
    args = parser.parse_args()
    sys.path[:0] = args.path
    tensors = arrays(load_module(args.input))
    st.write(args.output, tensors, {"format": "pt"})
    values = sum(a.size for a in tensors.values())
    print(f"{args.output}: {len(tensors)} tensors, {values} values", file=sys.stderr)


if __name__ == "__main__":
    main()
