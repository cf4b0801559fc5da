"""Safetensors files written and read by hand: 8-byte length, JSON header, raw little-endian."""
import json
import os
import struct

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1"}


def write(path, tensors, metadata=None):
    """tensors: name -> numpy array. The header is padded with spaces to a multiple of 8."""
    names = {np.dtype(v): k for k, v in TYPES.items()}
    header, offset, chunks = {}, 0, []
    if metadata:
        header["__metadata__"] = metadata
    # widest elements first, so that each tensor is aligned to its own element
    order = sorted(tensors, key=lambda n: (-np.asarray(tensors[n]).dtype.itemsize, n))
    for name in order:
        array = np.asarray(tensors[name])
        array = array if array.ndim == 0 else np.ascontiguousarray(array)
        header[name] = {"dtype": names[array.dtype.newbyteorder("<")],
                        "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
        chunks.append(array)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = f"{path}.tmp{os.getpid()}"
    with open(temporary, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for array in chunks:
            f.write(array.tobytes())
    os.replace(temporary, path)


def read(path):
    """name -> numpy array, and the metadata (a dict, empty where there is none)."""
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    out = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        flat = np.frombuffer(data[8 + length + first:8 + length + last],
                             dtype=TYPES[entry["dtype"]])
        out[name] = flat.reshape(entry["shape"])
    return out, metadata
