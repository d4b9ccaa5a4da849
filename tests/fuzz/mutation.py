"""Change a file along its structure: a zip by members, a pickle by opcodes, a header by its values, else by bytes."""

from __future__ import annotations

import io
import json
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

INTEGERS = (0, -1, 1, 2, 255, 4096, 2**31 - 1, 2**31, 2**32, -(2**31), 2**40, 2**62, 2**63 - 1, 2**64, -(2**63), 10**40)
STRINGS = ("", "\x1b[31m", "a\nb", "../../x", "é\u202e", "w" * 300, "0" * 5000, "NaN", "latent", "os", "system", "\x00")
VALUES = [*INTEGERS, *STRINGS, None, True, 1e308, float("nan"), float("inf"), -0.5, [], {}, [[]], {"a": []}]
SNIPPETS = (  # of pickles
    *(b")", b"]", b"}", b"\x8f", b"(", b"t", b"l", b"d", b"e", b"u", b"a", b"s", b"R", b"b", b"\x81"),
    *(b"\x85", b"\x86", b"\x87", b"0", b"1", b"2", b"N", b"\x88", b"\x90", b"\x91", b"\x92", b"\x93"),
    *(b"\x94", b"\x96\0\0\0\0\0\0\0\0", b"Q", b"h\0", b"h\x01", b"h\x02", b"h\x05", b"q\0", b"q\x01"),
    *(b"r\xff\xff\xff\x7f", b"\x82\x01", b"j\xff\xff\xff\x7f", b"cos\nsystem\n", b"cbuiltins\neval\n"),
    *(b"cbuiltins\ngetattr\n", b"ccopyreg\n_reconstructor\n", b"cbuiltins\nset\n"),
    *(b"ccollections\nOrderedDict\n", b"ctorch.storage\n_load_from_bytes\n", b"cnumpy\ndtype\n"),
    *(b"cbuiltins\nbytearray\n", b"ctorch\nTensor\n", b"ctorch\nFloatStorage\n"),
    *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"c_codecs\nencode\n", b"ccollections\nCounter\n"),
    *(b"ctorch\nSize\n", b"cargparse\nNamespace\n", b"ctorch._tensor\n_rebuild_from_type_v2\n"),
    b")" + b"\x94h\0\x86" * 3 + b"2\x86" * 40,  # a tuple that unfolds to 2^40
    b"]" + b"\x94h\0h\0\x86" * 3,
)


def mutate(data: bytes, random: Random, flip: Callable[[bytes, Random], bytes] | None = None) -> bytes:
    """Return the file with a few changes, at most a megabyte; `flip` is what changes bytes that have no structure."""
    for _ in range(1 + min(int(random.expovariate(1)), 8)):
        data = mutate_once(data, random, flip or flip_bytes)
    return data[: 2**20]


def mutate_once(data: bytes, random: Random, flip: Callable[[bytes, Random], bytes]) -> bytes:
    """Make one change, three times in four along the structure."""
    change = _find_structure(data) if random.random() < 0.75 else None
    try:
        return flip(data, random) if change is None else change(data, random, flip)
    except Exception:  # a dozen types, as of a damaged compression
        return flip(data, random)  # no structure is left


def _find_structure(data: bytes) -> Callable[..., bytes] | None:
    if data.startswith(b"PK"):
        return mutate_zip
    if data.startswith(b"\x80"):
        return mutate_pickle
    if data.startswith(b"\x93NUMPY"):
        return mutate_npy
    if data[8:9] == b"{":
        return mutate_safetensors
    return mutate_json_text if data.startswith((b"{", b"[")) else None


def flip_bytes(data: bytes, random: Random) -> bytes:
    """Overwrite, insert, remove or repeat a few bytes, or put an odd integer in their place."""
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + int(random.expovariate(1 / 4)))
    match random.randrange(6):
        case 0:
            middle = random.randbytes(end - start or 1)
        case 1:
            middle = b""
        case 2:
            middle = data[start:end] * random.choice((2, 3, 100))
        case 3:
            middle, end = struct.pack(random.choice("<> ").strip() + "I", random.choice(INTEGERS) % 2**32), start + 4
        case 4:
            middle, end = struct.pack("<Q", random.choice(INTEGERS) % 2**64), start + 8
        case _:
            other = random.randrange(len(data) + 1)
            middle = data[other : other + int(random.expovariate(1 / 16))]
    return data[:start] + middle + data[end:]


def mutate_zip(data: bytes, random: Random, flip: Callable[[bytes, Random], bytes]) -> bytes:
    """Change, rename, repeat, drop or compress a member and write the archive anew, with right sizes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
    pickles = [i for i, (name, *_) in enumerate(members) if name.endswith((".pkl", ".npy"))]
    i = random.choice(pickles) if pickles and random.random() < 0.7 else random.randrange(len(members))
    name, content, kind = members[i]
    match random.choices(range(6), (12, 1, 1, 1, 1, 1))[0]:
        case 0:
            members[i] = (name, mutate_once(content, random, flip), kind)
        case 1:
            members[i] = (random.choice((*STRINGS, "a/data.pkl", "w.npy", name[:-1])), content, kind)
        case 2:
            members.append((name, mutate_once(content, random, flip), kind))
        case 3:
            del members[i]
        case 4:
            members[i] = (name, content, random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))
        case _:
            members[i] = (name, content + b"\0" * random.choice((1, 1000, 10**7)), zipfile.ZIP_DEFLATED)
    return _zip(members)


def _zip(members: list[tuple[str, bytes, int]]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content, kind in members:
            archive.writestr(zipfile.ZipInfo(name), content, kind, compresslevel=1)
    return file.getvalue()


def mutate_pickle(data: bytes, random: Random, flip: Callable[[bytes, Random], bytes]) -> bytes:
    """Drop, repeat, move, insert or change opcodes of a pickle, or of one in a row of them."""
    opcodes, tail = _split_pickle(data)
    i = random.randrange(len(opcodes))
    j = min(len(opcodes), i + 1 + int(random.expovariate(0.5)))
    match random.randrange(6):
        case 0:
            del opcodes[i:j]
        case 1:
            k = random.randrange(len(opcodes))
            opcodes[k:k] = opcodes[i:j]
        case 2:
            opcodes[i:i] = [random.choice(SNIPPETS)]
        case 3:
            opcodes[i] = random.choice(SNIPPETS)
        case 4:
            opcodes[i] = _write(random.choice(VALUES))
        case _:
            opcodes[i] = _change_argument(opcodes[i], random, flip)
    return b"".join(opcodes) + tail


def _split_pickle(data: bytes) -> tuple[list[bytes], bytes]:
    """Split one of the pickles that come first in a file into opcodes: -> the opcodes of all, what comes after."""
    opcodes: list[bytes] = []
    file, end = io.BytesIO(data), 0
    for _ in range(5):  # torch's old layout holds five
        try:
            places = [place for _, _, place in pickletools.genops(file)] + [file.tell()]
        except (ValueError, LookupError):
            break
        opcodes += [data[start:stop] for start, stop in pairwise(places)]
        end = file.tell()
        if data[end : end + 1] != b"\x80":
            break
    if not opcodes:
        raise ValueError("no pickle")
    return opcodes, data[end:]


def _change_argument(opcode: bytes, random: Random, flip: Callable[[bytes, Random], bytes]) -> bytes:
    """Change what an opcode holds, the length in front of it kept right."""
    match opcode[:1], opcode[1:]:
        case ((b"K" | b"M" | b"J" | b"\x8a"), _):
            return _write(random.choice(INTEGERS))
        case b"X", rest:
            changed = random.choice((*STRINGS, rest[4:].decode() + "x")).encode()
            return b"X" + struct.pack("<I", len(changed)) + changed
        case b"\x8c", rest:
            changed = random.choice((*STRINGS, rest[1:].decode() + "x")).encode()[:255]
            return b"\x8c" + bytes([len(changed)]) + changed
        case b"B", rest:
            changed = mutate_once(rest[4:], random, flip)
            return b"B" + struct.pack("<I", len(changed)) + changed
        case b"C", rest:
            changed = mutate_once(rest[1:], random, flip)[:255]
            return b"C" + bytes([len(changed)]) + changed
    return opcode[:1] + flip(opcode[1:], random)


def _write(value: Any) -> bytes:
    """Write a plain value in opcodes."""
    match value:
        case None | bool():
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case int():
            raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(raw)]) + raw
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    return b"]" if value == [] else b"}"


def mutate_npy(data: bytes, random: Random, flip: Callable[[bytes, Random], bytes]) -> bytes:
    """Change the header's shape, type or order, or the objects behind it, the length of the header kept right."""
    length = int.from_bytes(data[8:10], "little")
    header, body = data[10 : 10 + length].decode("latin1"), data[10 + length :]
    number = str(random.choice(INTEGERS))
    kinds = (
        "'|O'",
        "'<U9'",
        "'<f2'",
        "'>f8'",
        "'<c8'",
        "'|V8'",
        "('<f8', (2, 2))",
        "[('a', '<f8')]",
        "'<f99'",
        "'<M8[s]'",
    )
    match random.randrange(7):
        case 0:
            header = re.sub(r"'descr': [^:]+, '", f"'descr': {random.choice(kinds)}, '", header)
        case 1:
            header = re.sub(r"\d+(?=[,)])", number, header, count=1)
        case 2:
            header = header.replace("(", "(" + number + ", " * random.randrange(1, 3), 1)
        case 3:
            header = header.replace("False", random.choice(("True", "None", "1", "[" * 90)))
        case 4:
            header = flip(header.encode("latin1"), random).decode("latin1")
        case 5:
            body = mutate_once(body, random, flip)
        case _:
            body = body * random.choice((0, 2))
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header) % 65536) + header.encode("latin1")[:65535] + body


def mutate_safetensors(data: bytes, random: Random, flip: Callable[[bytes, Random], bytes]) -> bytes:
    """Change the JSON header, or the JSON inside it, the length in front kept right but for once in ten."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    stated = header.get("__metadata__", {})
    if random.random() < 0.5 and stated and "latentedit" in stated:
        stated["latentedit"] = json.dumps(_change_json(json.loads(stated["latentedit"]), random))
    else:
        header = _change_json(header, random)
    text = _repeat_key(json.dumps(header), random).encode()
    claimed = random.choice(INTEGERS) % 2**64 if random.random() < 0.1 else len(text)
    return struct.pack("<Q", claimed) + text + body


def mutate_json_text(data: bytes, random: Random, flip: Callable[[bytes, Random], bytes]) -> bytes:
    """Change a value, a name or the nesting of a JSON file."""
    return _repeat_key(json.dumps(_change_json(json.loads(data), random)), random).encode()


def _repeat_key(text: str, random: Random) -> str:
    """Now and then give an object a key twice, or nest deeply."""
    if random.random() < 0.05:
        return text.replace("{", '{"dtype": 1, "dtype": 2, "kind": 1, ', 1)
    return text.replace("null", "[" * 5000 + "]" * 5000, 1) if random.random() < 0.02 else text


def _change_json(value: Any, random: Random) -> Any:
    """Put an odd value, name or absence somewhere into a tree."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.1:
        return random.choice(VALUES)
    key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
    match random.randrange(8):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[random.choice(STRINGS)] = value.pop(key)
        case 2 if isinstance(value, list):
            value.append(random.choice(VALUES))
        case _:
            value[key] = _change_json(value[key], random)
    return value
