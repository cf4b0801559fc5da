#!/usr/bin/python3
"""Hostile PyTorch files for hostile_weights.sh.

    make_hostile_weights.py files MODEL.safetensors DIR
    make_hostile_weights.py prove DIR/NAME.pt

`files` writes DIR/NAME.pt from the tensors of a model and prints a line a case: kind, name,
exit status, regular expression of the message, separated by tabs. Kind is `run` where the
file creates DIR/canary/armed in a Python that unpickles it, `good` for the control, else
`bad`. `prove` unpickles a file of kind `run`, as torch.load would, to show that it is armed.

Pickles are assembled code by code, zip archives by zipfile or byte by byte: nothing here
depends on torch.
"""
import io
import os
import pickle
import struct
import sys
import warnings
import zipfile
import zlib

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))

import st  # noqa: E402

HEAD, STOP = b"\x80\x02", b"."


# ---- pickles, code by code


def text(s):
    data = s.encode() if isinstance(s, str) else s
    return b"X" + struct.pack("<I", len(data)) + data


def short(s):
    return b"\x8c" + bytes([len(s)]) + s.encode()


def number(n):
    if 0 <= n < 256:
        return b"K" + bytes([n])
    if -2 ** 31 <= n < 2 ** 31:
        return b"J" + struct.pack("<i", n)
    data = n.to_bytes((n.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def imported(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def stacked(module, name):
    return short(module) + short(name) + b"\x93"


def tup(*items):
    return b"(" + b"".join(items) + b"t"


def call(callee, *args):
    return callee + tup(*args) + b"R"


def member(key, value):
    return (key if isinstance(key, bytes) else text(key)) + value


def dictionary(*members):
    return b"}(" + b"".join(members) + b"u"


def storage(key, count, kind="FloatStorage", module="torch"):
    return tup(text("storage"), imported(module, kind), text(key), text("cpu"),
               number(count)) + b"Q"


def tensor(key, count, shape, stride=None, offset=0, kind="FloatStorage", module="torch"):
    if stride is None:
        stride = [int(np.prod(shape[i + 1:])) for i in range(len(shape))]
    return call(imported("torch._utils", "_rebuild_tensor_v2"),
                storage(key, count, kind, module), number(offset), tup(*map(number, shape)),
                tup(*map(number, stride)), b"\x89",
                call(imported("collections", "OrderedDict")))


class Model:
    """A state dict that is right; cases change parts of it."""

    def __init__(self, path):
        self.arrays = st.read(path)[0]
        self.keys = {n: str(i) for i, n in enumerate(self.arrays)}

    def members(self, **changed):
        return [member(n, changed.get(n, tensor(self.keys[n], a.size, a.shape)))
                for n, a in self.arrays.items()]

    def program(self, before=b"", extra=(), **changed):
        return HEAD + before + dictionary(*extra, *self.members(**changed)) + STOP

    def entries(self, program=None, **changed):
        out = {"a/data.pkl": self.program() if program is None else program}
        out.update({f"a/data/{self.keys[n]}": a.tobytes() for n, a in self.arrays.items()})
        out.update(changed)
        return out


def archive(entries, method=zipfile.ZIP_STORED):
    """entries: name -> bytes, or (bytes, method); or a list of such pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in (entries.items() if isinstance(entries, dict) else entries):
            data, how = data if isinstance(data, tuple) else (data, method)
            z.writestr(zipfile.ZipInfo(name), data, how)
    return out.getvalue()


# ---- what runs something


def runs(canary, script):
    """name -> (codes that leave a value, part of the message)."""
    touch = f"touch {canary}"
    create = f"open({canary!r}, 'w').close()"
    system = imported("os", "system")
    yield "os-system", call(system, text(touch)), "os.system"
    yield "posix-system", call(imported("posix", "system"), text(touch)), "posix.system"
    yield "eval", call(imported("builtins", "eval"), text(create)), "builtins.eval"
    yield "exec-stacked", call(stacked("builtins", "exec"), text(create)), "builtins.exec"
    yield "old-builtin", call(imported("__builtin__", "eval"), text(create)), "__builtin__"
    yield ("popen", call(imported("subprocess", "Popen"), b"](" + text("touch") +
                         text(canary) + b"e"), "subprocess.Popen")
    yield ("inst", b"(" + text(touch) + b"ios\nsystem\n", "INST")
    yield ("obj", b"(" + imported("subprocess", "Popen") + b"](" + text("touch") +
           text(canary) + b"eo", "subprocess.Popen")
    for code, options in (("newobj", b"\x81"), ("newobj-ex", b"}\x92")):
        lazy = imported("builtins", "map") + tup(system, b"](" + text(touch) + b"e") + options
        yield code, imported("builtins", "bytes") + lazy + b"\x85" + options, "builtins.bytes"
    yield ("chain", call(call(imported("builtins", "getattr"),
                              call(imported("builtins", "__import__"), text("os")),
                              text("system")), text(touch)), "builtins.getattr")
    yield ("partial", call(call(imported("functools", "partial"), system, text(touch))),
           "functools.partial")
    yield ("methodcaller", call(call(imported("operator", "methodcaller"), text("system"),
                                     text(touch)),
                                call(imported("importlib", "import_module"), text("os"))),
           "operator.methodcaller")
    yield ("map", call(imported("builtins", "list"),
                       call(imported("builtins", "map"), system, b"](" + text(touch) + b"e")),
           "builtins.list")
    yield ("setstate", call(imported("functools", "partial"), imported("builtins", "print")) +
           tup(system, tup(text(touch)), b"}", b"N") + b"b)R", "functools.partial")
    yield ("dotted", stacked("os", "path.os.system") + text(touch) + b"\x85R", "os.path.os.system")
    yield ("nested", call(imported("pickle", "loads"), b"C" + bytes([len(n := HEAD + call(
        system, text(touch)) + STOP)]) + n), "pickle.loads")
    yield ("touch", call(stacked("pathlib", "Path.touch"),
                         call(imported("pathlib", "Path"), text(canary))),
           "pathlib.Path")
    yield "runpy", call(imported("runpy", "run_path"), text(script)), "runpy.run_path"
    yield ("open", call(imported("io", "open"), text(canary), text("w")), "io.open")


def run_cases(model, folder):
    canary = os.path.join(folder, "canary", "armed")
    with open(os.path.join(folder, "armed.py"), "w") as f:
        f.write(f"open({canary!r}, 'w').close()\n")
    for name, codes, word in runs(canary, os.path.join(folder, "armed.py")):
        head = b"\x80\x04" if b"\x93" in codes or name == "newobj-ex" else HEAD
        program = head + codes + b"0" + model.program()[2:]
        yield "run", f"run-{name}", archive(model.entries(program)), word
    places = {
        "value": lambda c: model.program(extra=[member("norm.weight", c)]),
        "key": lambda c: model.program(extra=[member(c, b"N")]),
        "beside": lambda c: HEAD + dictionary(member("model", model.program()[2:-1]),
                                              member("optimizer", c)) + STOP,
        "hooks": lambda c: model.program(extra=[member("x", call(
            imported("torch._utils", "_rebuild_tensor_v2"), storage("0", 1), number(0),
            b")", b")", b"\x89", c))]),
        "class": lambda c: model.program(extra=[member("x", tup(
            text("storage"), c, text("0"), text("cpu"), number(1)) + b"Q")]),
        "attributes": lambda c: HEAD + model.program()[2:-1] + dictionary(
            member("_metadata", c)) + b"b" + STOP,
    }
    for where, make in places.items():
        codes = call(imported("os", "system"), text(f"touch {canary}"))
        yield "run", f"run-in-{where}", archive(model.entries(make(codes))), "os.system"


# ---- pickles that run nothing and are wrong


def pickle_cases(model):
    good = model.program()
    names = [("torch", "load"), ("torch.hub", "load"), ("torch.storage", "_load_from_bytes"),
             ("torch._utils", "_rebuild_tensor"), ("torch.jit", "load"), ("torch.nn", "Module"),
             ("numpy.core.multiarray", "_reconstruct"), ("_codecs", "encode"),
             ("copyreg", "_reconstructor"), ("torch", "QInt8Storage"),
             ("torch", "ComplexFloatStorage"), ("torch.ops", "load_library"),
             ("collections", "OrderedDict.update")]
    for module, name in names:
        yield (f"name-{module}-{name}", HEAD + imported(module, name) + b"0" + good[2:],
               f"{module}.{name}")
    yield "escape", HEAD + b"c\x1b]0;x\x07\ny\n" + STOP, r"\?\]0;x\?\.y"
    yield "extension", HEAD + b"\x82\x010" + good[2:], "EXT1"
    yield "buffers", b"\x80\x05\x97" + STOP, "NEXT_BUFFER"
    yield "memo-bomb", HEAD + b"Nr\xff\xff\xff\x7f" + STOP, "more than 1048576"
    yield "memo-hole", HEAD + b"j\x05\0\0\0" + STOP, "remembered"
    yield "long4", HEAD + b"\x8b\xff\xff\xff\x7f" + STOP, "LONG4"
    yield "string-length", HEAD + b"\x8d" + b"\xff" * 7 + b"\x7f" + STOP, "ends in the middle"
    yield "frame-length", b"\x80\x04\x95" + b"\xff" * 8 + STOP, "frame"
    yield "no-stop", good[:-1], "ends in the middle"
    yield "second-pickle", good + HEAD + b"N" + STOP, "behind its end"
    yield "protocol-0", pickle.dumps({"a": 1}, 0), "protocol 2 to 5"
    yield "protocol-9", b"\x80\x09" + good[2:], "protocol 2 to 5"
    yield "deep", HEAD + b"]" * 700000 + b"a" * 699999 + STOP, "dict of tensors"
    yield "many", HEAD + b"(" + b"N" * 1100000 + b"t" + STOP, "more than 1048576"
    yield "laughs", HEAD + b"]q\0" + b"".join(
        b"](" + b"h" + bytes([i]) + b"".join(b"h" + bytes([i]) for _ in range(99)) + b"eq" +
        bytes([i + 1]) for i in range(100)) + STOP, "more than one value"
    yield "itself", HEAD + b"}q\0" + member("model", b"h\0") + b"s" + STOP, "expected a tensor"
    yield "list", HEAD + b"]" + STOP, "dict of tensors"
    yield "empty", HEAD + b"}" + STOP, "dict of tensors"
    yield "nothing", b"", "ends in the middle"
    yield "state-of-a-list", HEAD + b"]}b" + STOP, "state of something"
    yield "odd-dict", HEAD + b"(K\x01d" + STOP, "key without a value"
    yield "tuple-grows", HEAD + b")K\x01a" + STOP, "no list"


# ---- tensors that cannot be


def tensor_cases(model):
    name = "norm.weight"
    n, key = model.arrays[name].size, model.keys[name]
    last = len(model.keys)

    def one(case, codes, word, extra=(), **entries):
        return case, model.entries(model.program(extra=extra, **{name: codes}), **entries), word

    yield one("offset", tensor(key, n, (n,), offset=1), "do not fit its storage")
    yield one("offset-negative", tensor(key, n, (n,), offset=-1), "bad arguments")
    yield one("offset-huge", tensor(key, n, (n,), offset=2 ** 63 - 1), "do not fit")
    yield one("shape", tensor(key, n, (n + 1,)), "do not fit its storage")
    yield one("shape-negative", tensor(key, n, (-1,)), "bad arguments")
    yield one("shape-overflow", tensor(key, n, (2 ** 32, 2 ** 32), (1, 1)), "do not fit")
    yield one("shape-wraps", tensor(key, n, (2 ** 62, 8), (8, 1)), "do not fit")
    yield one("shape-long", tensor(key, n, (2 ** 80,), (1,)), "bad arguments")
    yield one("rank", tensor(key, n, (1,) * 9), "bad arguments")
    yield one("stride-negative", tensor(key, n, (n,), (-1,), offset=n - 1), "bad arguments")
    yield one("stride-zero", tensor(key, n, (n,), (0,)), "do not fit")
    yield one("stride-expand", tensor(key, n, (2 ** 40, 2 ** 20), (0, 0)), "do not fit")
    yield one("stride-huge", tensor(key, n, (2, 2), (2 ** 62, 2 ** 62)), "do not fit")
    yield one("stride-overlap", tensor(key, n, (n // 2, 3), (1, 1)), "do not fit")
    yield one("count-lie", tensor(key, n + 1, (n,)), "at least")
    yield one("count-huge", tensor(key, 2 ** 63 - 1, (n,)), "at least")
    yield one("count-negative", tensor(key, -1, (n,)), "damaged storage")
    yield one("key-missing", tensor(str(last + 7), n, (n,)), "expected an entry")
    yield one("key-empty", tensor("", n, (n,)), "no number")
    yield one("key-dots", tensor("../data.pkl", n, (n,)), "no number")
    yield one("key-absolute", tensor("/etc/passwd", n, (n,)), "no number")
    yield one("key-long", tensor("1" * 400, n, (n,)), "no number")
    yield one("int32", tensor(key, n, (n,), kind="IntStorage"), "expected F32")
    yield one("bool", tensor(key, n, (n,), kind="BoolStorage"), "expected F32")
    yield one("untyped", tensor(key, n, (n,), kind="UntypedStorage", module="torch.storage"),
              "UntypedStorage")
    yield one("wider", tensor(key, n, (n,), kind="DoubleStorage"), "at least")
    yield one("number", number(7), "expected a tensor")
    yield one("other-shape", tensor(key, n, (n // 2, 2)), "norm.weight: expected shape")
    yield one("twice", tensor(key, n, (n,)), "two tensors of the name cls_token",
              extra=[member("cls_token", tensor(key, n, (n,)))])
    yield one("nul-name", tensor(key, n, (n,)), "key that is no name",
              extra=[member("a\0b", tensor(key, n, (n,)))])
    yield one("control-name", tensor(key, n, (n,)), "key that is no name",
              extra=[member("a\nb", tensor(key, n, (n,)))])
    yield one("number-name", tensor(key, n, (n,)), "key that is no name",
              extra=[member(number(1), tensor(key, n, (n,)))])
    yield one("unexpected", tensor(key, n, (n,)), "unexpected tensors: more",
              extra=[member("more", tensor(key, n, (n,)))])
    values = model.arrays[name].copy()
    for case, bad in (("nan", np.nan), ("inf", np.inf)):
        values[1] = bad
        yield one(case, tensor(key, n, (n,)), "norm.weight: value 1 is not finite",
                  **{f"a/data/{key}": values.tobytes()})
    squeezed = (model.arrays[name].tobytes(), zipfile.ZIP_DEFLATED)
    yield one("deflated", tensor(key, n, (n,)), "not compressed", **{f"a/data/{key}": squeezed})


# ---- archives that lie


def patch(data, at, value):
    return data[:at] + value + data[at + len(value):]


def bomb(size, claimed=None):
    """A deflated data.pkl of `size` zeros, made without holding it."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece, crc, chunks = bytes(1 << 20), 0, []
    for _ in range(size >> 20):
        chunks.append(squeeze.compress(piece))
        crc = zlib.crc32(piece, crc)
    packed = b"".join(chunks) + squeeze.flush()
    common = struct.pack("<HHHIIII", 20, 0, 8, 0x21 << 16, crc, len(packed), claimed or size)
    name = b"a/data.pkl"
    local = b"PK\3\4" + common + struct.pack("<HH", len(name), 0) + name + packed
    central = (b"PK\1\2\x14\0" + common + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) +
               name)
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central),
                                                     len(local), 0)


def overlapping(good):
    """Two names for the bytes of one entry."""
    end = good.rindex(b"PK\5\6")
    count, size, at = struct.unpack("<HII", good[end + 10:end + 20])
    first = good[at:at + 46 + 10]
    again = patch(first, 46, b"a/DATA.pkl")
    return (good[:end] + again + b"PK\5\6" + bytes(4) +
            struct.pack("<HHIIH", count + 1, count + 1, size + len(again), at, 0))


def with_end64(good, **lie):
    end = good.rindex(b"PK\5\6")
    count, size, at = struct.unpack("<HII", good[end + 10:end + 20])
    v = {"count": count, "size": size, "at": at, "where": end, **lie}
    wide = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, v["count"], v["count"],
                                   v["size"], v["at"])
    return (good[:end] + wide + b"PK\6\7" + struct.pack("<IQI", 0, v["where"], 1) +
            patch(good[end:], 8, b"\xff" * 12))


def archive_cases(model):
    entries = model.entries()
    good = archive(entries)
    end = good.rindex(b"PK\5\6")
    at = struct.unpack("<I", good[end + 16:end + 20])[0]
    data = good.index(b"a/data.pkl") + 10
    yield "cut-directory", good[:at + 50], "truncated"
    yield "cut-end", good[:-1], "truncated"
    yield "cut-data", good[:data + 40], "truncated"
    yield "trailing", good + b"\0", "truncated|not where"
    yield "leading", b"PK\3\4" + good, "not where|outside|differ"
    yield "count-less", patch(good, end + 8, b"\1\0\1\0"), "more in its directory"
    yield "count-more", patch(good, end + 8, b"\xf0\xff\xf0\xff"), "damaged directory"
    yield "directory-lie", patch(good, end + 16, struct.pack("<I", at + 1)), "not where"
    yield "offset-lie", patch(good, at + 42, b"\xff\xff\xff\x7f"), "outside the archive"
    yield "size-lie", patch(good, at + 24, b"\xff\xff\xff\x7f"), "unlike sizes|outside"
    yield "name-lie", patch(good, at + 46, b"b"), "differ"
    yield "encrypted", patch(good, at + 8, b"\1\0"), "encrypted"
    yield "encrypted-local", patch(good, 6, b"\1\0"), "differ"
    yield "method", patch(good, at + 10, b"\x63\0"), "another compression"
    yield "crc", patch(good, data + 20, bytes([good[data + 20] ^ 1])), "damaged"
    number = good.index(b"a/data/0") + 8
    yield "crc-numbers", patch(good, number, bytes([good[number] ^ 1])), "damaged"
    yield "overlap", overlapping(good), "overlap|differ"
    yield "zip64-count", with_end64(good, count=2 ** 63), "at most 100000"
    yield "zip64-size", with_end64(good, size=2 ** 63), "at most|not where"
    yield "zip64-offset", with_end64(good, at=2 ** 63), "not where"
    yield "zip64-where", with_end64(good, where=2 ** 40), "bytes .* of"
    yield "bomb", bomb(1 << 30), "at most 16777216"
    yield "bomb-hidden", bomb(256 << 20, claimed=1000), "damaged"
    yield "claims", patch(patch(archive(entries, zipfile.ZIP_DEFLATED), 22, b"\xff\xff\xff\x7f"),
                          0, b"PK\3\4"), "differ"
    yield "bzip2", archive(entries, zipfile.ZIP_BZIP2), "another compression"
    items = list(entries.items())
    yield "entry-twice", archive(items + [items[0]]), "two entries of the name"
    yield "two-programs", archive(items + [("b/data.pkl", items[0][1])]), "found two"
    yield "no-program", archive(items[1:]), "data.pkl|cube"
    yield "dots", archive(items + [("a/../../x", b"x")]), r'"\.\."'
    yield "absolute", archive(items + [("/tmp/x", b"x")]), "absolute"
    yield "long-name", archive(items + [("n" * 600, b"x")]), "512"
    yield "many-entries", archive([(f"{i}", b"") for i in range(65530)] * 2), "two entries|100000"
    yield "script", archive(items + [("a/constants.pkl", HEAD + b")" + STOP)]), "TorchScript"
    yield "big-endian", archive(items + [("a/byteorder", b"big")]), "little-endian"
    yield "byteorder-long", archive(items + [("a/byteorder", b"little" * 9)]), "at most 16"
    yield "old-format", bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + bytes(99), "torch.save it"


def files(model_path, folder):
    os.makedirs(os.path.join(folder, "canary"), exist_ok=True)
    warnings.simplefilter("ignore")  # zipfile's, of names that come twice
    model = Model(model_path)
    cases = [("good", "good", archive(model.entries()), "-")]
    cases += run_cases(model, folder)
    cases += [("bad", f"pickle-{n}", archive(model.entries(p)), w)
              for n, p, w in pickle_cases(model)]
    cases += [("bad", f"tensor-{n}", archive(e), w) for n, e, w in tensor_cases(model)]
    cases += [("bad", f"zip-{n}", data, w) for n, data, w in archive_cases(model)]
    for kind, name, data, word in cases:
        with open(os.path.join(folder, f"{name}.pt"), "wb") as f:
            f.write(data)
        print(kind, name, 0 if kind == "good" else 3, word, sep="\t")


class Armed(pickle.Unpickler):
    """torch.load without torch: storages are names, its functions do nothing."""

    def persistent_load(self, pid):
        return pid

    def find_class(self, module, name):
        if module.startswith("torch"):
            return lambda *args: None
        return super().find_class(module, name)


def prove(path):
    with zipfile.ZipFile(path) as z:
        try:
            Armed(io.BytesIO(z.read("a/data.pkl"))).load()
        except Exception as e:  # what it ran has run all the same
            print(f"{path}: {e}", file=sys.stderr)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "files":
        files(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == "prove":
        prove(sys.argv[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
