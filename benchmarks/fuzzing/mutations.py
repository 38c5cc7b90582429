"""Spoiling bytes, texts and JSON in the ways that break readers."""

import copy
import json

TEXTS = (
    *("", " ", "0", "-1", "nan", "inf", "1e400", "9" * 30, "9" * 5000),
    *("None", "true", "x" * 20_000, "\0", "a\0b", "\n", "\r\n", "\x1b[2J"),
    *("../../x", "/etc/passwd", "C:\\x", "..", ".", "~", "%s%n", "{0.x}"),
    *("<script>alert(1)</script>", "\u202egnp", "\ud800", "写真", "\ufeff"),
    *('"', "'", ",", "a,b", "hf://a/b", "https://a.invalid/b", "__import__"),
    *("\u0663", "\u00b2", "1_0", "0x10", "--help", "=", "+", "[" * 3000),
)
NUMBERS = (
    *(-1, 0, 1, 2, 3, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**63, -(2**63)),
    *(10**30, 10**400, 0.0, -0.0, 0.5, 1e-320, 1e308, -1e308),
    *(float("nan"), float("inf"), float("-inf")),
)
WORDS = (
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"),
    *(b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x80\0\0\0", b"\xff\xff"),
    *(b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\1\0\0"),
)


def spoil_bytes(rng, data):
    """Returns bytes with one to four damages; some stay as they are."""
    data = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 4, 16, 200)))
        kind = rng.randrange(7)
        if kind == 0:
            del data[at:]
        elif kind == 1 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            word = rng.choice(WORDS)
            data[at : at + len(word)] = word
        elif kind == 3:
            del data[at:end]
        elif kind == 4:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        elif kind == 5:
            data[at:end] = rng.randbytes(end - at)
        else:
            other = rng.randrange(len(data) + 1)
            data[at:end] = data[other : other + end - at]
    return bytes(data)


def hostile_value(rng, depth=2):
    """Returns a JSON value that no reader waits for."""
    kind = rng.randrange(7)
    if kind < 2:
        return rng.choice(TEXTS)
    if kind < 4:
        return rng.choice(NUMBERS)
    if kind == 4 or depth == 0:
        return rng.choice((None, True, False, [], {}, [[]], {"": None}))
    inner = [hostile_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 5:
        return inner
    return {rng.choice(TEXTS): value for value in inner}


def spoil_json(rng, value):
    """Returns a JSON value with one to three places changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        place = value
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = rng.choice(list(keys))
            inner = place[key]
            if isinstance(inner, (dict, list)) and rng.random() < 0.7:
                place = inner
                continue
            kind = rng.randrange(6)
            if kind == 0:
                del place[key]
            elif kind == 1 and isinstance(place, dict):
                place[rng.choice(TEXTS)] = hostile_value(rng)
            elif kind == 2 and isinstance(inner, str):
                place[key] = inner + rng.choice(TEXTS)
            else:
                place[key] = hostile_value(rng)
            break
    return value


def json_bytes(rng, value):
    """Returns JSON text of a spoilt value, seldom spoilt as text, too."""
    if rng.random() < 0.02:
        depth = rng.choice((500, 5000, 100_000))
        opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
        return (opening * depth + "1" + closing * depth).encode()
    text = json.dumps(spoil_json(rng, value), ensure_ascii=rng.random() < 0.7)
    data = text.encode("utf-8", "surrogatepass")
    return spoil_bytes(rng, data) if rng.random() < 0.15 else data


def spoil_text(rng, text, separator=","):
    """Returns a table's text with cells, lines or bytes spoilt, as bytes."""
    lines = text.splitlines()
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        number = rng.randrange(len(lines))
        cells = lines[number].split(separator)
        kind = rng.randrange(5)
        if kind == 0:
            cells[rng.randrange(len(cells))] = rng.choice(TEXTS)
        elif kind == 1:
            cells.insert(rng.randrange(len(cells) + 1), rng.choice(TEXTS))
        elif kind == 2:
            del cells[rng.randrange(len(cells))]
        elif kind == 3:
            cells = rng.choice(lines).split(separator)
        else:
            cells[rng.randrange(len(cells))] = str(rng.choice(NUMBERS[:14]))
        lines[number] = separator.join(cells)
    text = rng.choice(("\n", "\n", "\r\n", "\r")).join(lines) + "\n"
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        data = text.encode("utf-16", "surrogatepass")
    return spoil_bytes(rng, data) if rng.random() < 0.2 else data
