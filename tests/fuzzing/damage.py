"""Strategies that spoil files in the ways that break readers."""

import contextlib
import copy
import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import onnx
from hypothesis import strategies as st

WORDS = st.sampled_from(
    [b"\0" * 4, b"\xff" * 4, b"\x7f" + b"\xff" * 3, b"\xff" * 3 + b"\x7f"]
    + [b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\1\0\0", b""]
)
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["", "0", "-1", "nan", "1e400", "9" * 5000, "None", "x" * 20_000, "a\0b"]
    + ["\n", "\x1b[2J", "../../x", "/etc/passwd", "a/../../x", ".", "..", "~"]
    + ["C:\\x", "%s%n", "{0.x}", "\u202egnp", "\ud800", "\u0663", "\u00b2"]
    + ["hf://a/b", "https://a.invalid/b", "__import__", "--help", "[" * 3000]
    + ["os", "subprocess", "builtins", "Lambda", "eval", "Popen", "Dense"]
    + ["keras.layers", "__lambda__", "function", '"', "1_0", "写真", "x" * 300]
)
NUMBERS = (
    st.integers(-3, 300)
    | st.floats()
    | st.sampled_from([2**31, 2**32, 2**63, -(2**63), 10**30, 10**400, 1e308])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_leaves=4,
)
SIDES = st.sampled_from([0, 1, 7000, 7072, 65_535, 2**24, 2**31 - 1, 2**32 - 1])


@st.composite
def damaged(draw, data):
    """Bytes: cut off, left out, put in, repeated or turned."""
    data = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        end = at + draw(st.sampled_from([0, 1, 4, 16, 200, len(data)]))
        if draw(st.booleans()):
            data[at:end] = draw(WORDS | st.binary(max_size=16))
        else:
            data[at:at] = data[at:end] * draw(st.sampled_from([1, 50]))
    return bytes(data)


@st.composite
def damaged_json(draw, data):
    """JSON with a value at any depth replaced, removed or added."""
    if draw(st.integers(0, 30)) == 0:
        return draw(st.sampled_from([b"[" * 100_000, b'{"a":' * 5000]))
    value = copy.deepcopy(json.loads(data))
    place = [value]
    for _ in range(draw(st.integers(0, 2))):
        place, key = [value], 0
        while isinstance(place[key], (dict, list)) and place[key]:
            place = place[key]
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(keys))
            if draw(st.integers(0, 3)) == 0:
                break
        if isinstance(place, dict) and draw(st.booleans()):
            del place[key]
            key = draw(TEXTS)
        place[key] = draw(VALUES)
    return json.dumps(value).encode("utf-8", "surrogatepass")


@st.composite
def damaged_table(draw, data):
    """A list of text with cells or lines replaced."""
    lines = data.decode().splitlines()
    separator = "," if "," in lines[0] else " "
    for _ in range(draw(st.integers(0, 3))):
        number = draw(st.integers(0, len(lines) - 1))
        cells = lines[number].split(separator)
        at = draw(st.integers(0, len(cells)))
        more = draw(st.lists(TEXTS | NUMBERS.map(str), max_size=2))
        cells[at : at + draw(st.integers(0, 1))] = more
        lines[number] = separator.join(cells)
    end, coding = draw(st.sampled_from(["\n", "\r\n", "\r"])), "utf-8"
    if draw(st.integers(0, 20)) == 0:
        coding = "utf-16"
    return end.join(lines).encode(coding, "surrogatepass")


@st.composite
def damaged_zip(draw, data):
    """A zip archive one of whose members is spoilt by its kind or its name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw(st.sampled_from(sorted(members)))
    members[name] = draw(damaged_file(name, members[name]))
    if draw(st.integers(0, 4)) == 0:
        name = draw(TEXTS).replace("\ud800", "?").replace("\0", "0") or "0"
        members[name] = members.pop(draw(st.sampled_from(sorted(members))))
    file = io.BytesIO()
    packing = draw(st.sampled_from([0, 8]))
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name[:60_000])
            info.compress_type = packing
            info.external_attr = draw(st.sampled_from([0, 0o120777])) << 16
            archive.writestr(info, content)
    return file.getvalue()


@st.composite
def damaged_tar(draw, data):
    """A tar archive with a member or a link that leads anywhere."""
    file = io.BytesIO(data)
    with tarfile.open(fileobj=file, mode="a", errors="surrogatepass") as tar:
        for _ in range(draw(st.integers(1, 2))):
            name, to = (draw(TEXTS)[:300].replace("\0", "0") for _ in "ab")
            # Were it not refused, nothing of the machine's may be lost.
            info = tarfile.TarInfo(name.replace("/etc", "/tmp/fuzz"))
            info.type = draw(st.sampled_from(list(tarfile.SUPPORTED_TYPES)))
            info.linkname, info.mode = to, draw(st.sampled_from([0o644, 0]))
            with contextlib.suppress(UnicodeError):
                tar.addfile(info)
    return file.getvalue()


@st.composite
def damaged_array(draw, data):
    """An `.npy` member that declares anything."""
    kinds = ["|O", "|u1", "<i8", "<U100000000", "|V2000000000", "<M8[s]", "x"]
    shapes = ["()", "(-1, 8)", "(10**9, 8)", "(1000000000, 8, 8, 3)", "None"]
    header = (
        f"{{'descr': {draw(st.sampled_from(kinds))!r}, 'fortran_order': False, "
        f"'shape': {draw(st.sampled_from([*shapes, '(2**70,)', '(1e9,)']))}, }}"
    )
    header = draw(st.sampled_from([header, "(" * 900, "{" * 9000, "-" * 9000]))
    version = draw(st.sampled_from([b"\1\0", b"\2\0", b"\3\0"]))
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    return b"\x93NUMPY" + version + size + header.encode() + draw(WORDS)


class Call:
    """Asks to be restored by calling something."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@st.composite
def damaged_pickle(draw, data):
    """A pickle with another value in its table, or that calls something."""
    calls = [Call(np.ndarray, (10**10,)), Call(np.dtype, "V2000000000")]
    calls += [Call(eval, "1"), np.array([None]), np.float64(3), [b"\xff"], [[]]]
    table = pickle.loads(data)
    key = draw(st.sampled_from(sorted(table)))
    table[key] = draw(st.sampled_from(calls) | VALUES)
    return pickle.dumps(table, draw(st.sampled_from([0, 2, 4, 5])))


@st.composite
def damaged_picture(draw, data):
    """A picture that declares another size."""
    data = bytearray(data)
    width, height = draw(SIDES), draw(SIDES)
    short = struct.pack("<HH", width % 2**16, height % 2**16)
    if data[:2] == b"BM":
        data[18:26] = struct.pack("<II", width, height)
    elif data[:3] == b"GIF":
        data[6:10] = short
    elif data[:2] == b"\xff\xd8":
        at = data.find(b"\xff\xc0") + 5
        data[at : at + 4] = short[::-1]
    elif data[:4] == b"\x89PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[24:26] = bytes(draw(st.sampled_from([(8, 2), (16, 6), (1, 3)])))
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return draw(damaged(data))


@st.composite
def damaged_onnx(draw, data):
    """A student that says other things of itself."""
    proto = onnx.ModelProto.FromString(data)
    for _ in range(draw(st.integers(1, 2))):
        entry = draw(st.sampled_from(list(proto.metadata_props)))
        value = draw(damaged_json(json.dumps([entry.value])) | VALUES.map(str))
        value = value.decode() if isinstance(value, bytes) else value
        entry.value = value.replace("\ud800", "?")[:200_000]
    return proto.SerializeToString()


KINDS = {
    **dict.fromkeys((".json",), damaged_json),
    **dict.fromkeys((".csv", ".txt"), damaged_table),
    **dict.fromkeys((".npz", ".zip", ".keras"), damaged_zip),
    **dict.fromkeys((".png", ".jpg", ".bmp", ".gif"), damaged_picture),
    **{".npy": damaged_array, ".tar": damaged_tar, ".onnx": damaged_onnx},
}


def damaged_file(name, data):
    """Returns a strategy for the content of a file, by its ending."""
    kind = KINDS.get(name[name.rfind(".") :])
    if data[:2] == b"\x80\x02":
        kind = damaged_pickle
    return damaged(data) if kind is None else kind(data) | damaged(data)
