"""Changes that know their format, so that what comes out of them gets past the first look."""

from __future__ import annotations

import json
import random
from typing import Any

# (start, end) of a ustar header's fields, and of GNU's old sparse ones: POSIX.1-2017 pax(1); GNU tar's manual.
_FIELDS = {
    "name": (0, 100), "mode": (100, 108), "uid": (108, 116), "gid": (116, 124), "size": (124, 136),
    "mtime": (136, 148), "type": (156, 157), "link": (157, 257), "magic": (257, 265), "major": (329, 337),
    "minor": (337, 345), "prefix": (345, 500), "sparse": (386, 482), "extended": (482, 483), "real": (483, 495),
}  # fmt: skip
_TEXTS = (
    b"", b"a", b"a/", b"./a", b"/a", b"../a", b"a/../b", b"a//b", b"a/./b", b"..", b".", b"a" * 100, b"\xff\xfe",
    b".wh.a", b".wh..wh..opq", b".wh...", b".wh.", b"a/b", b"c/", b"a\0b", b"n" * 99 + b"/",
)  # fmt: skip
_NUMBERS = (
    b"", b"0", b"1", b"777", b"7777777", b"00000001000", b"-1", b"9", b"x", b" 1 ", b"1\0002",
    b"\x80" + b"\0" * 10 + b"\1",
    b"\xff" * 12, b"\x80" + b"\xff" * 11, b"\x80\0\0\0\0\0\0\1", b"37777777777", b"77777777777", b"\xff" + b"\0" * 11,
)  # fmt: skip
_TYPES = b"0\x00123456789xgLKVSNDM7Z"
_KEYS = (
    b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"comment", b"SCHILY.xattr.user.a", b"hdrcharset",
    b"SCHILY.xattr.security.capability", b"SCHILY.xattr.trusted.overlay.opaque", b"GNU.sparse.map", b"GNU.sparse.size",
    b"GNU.sparse.realsize", b"GNU.sparse.name", b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.offset",
    b"GNU.sparse.numbytes", b"GNU.sparse.numblocks", b"", b"a\0b", b"GNU.sparse.",
)  # fmt: skip
_VALUES = (
    *_TEXTS,
    b"0,1",
    b"0,1,2",
    b"5,1,0,1",
    b"1" * 30,
    b"1.5",
    b"-2.25",
    b".",
    b"-",
    b"1e5",
    b"nan",
    b"99999999999",
)


def change_tar(data: bytes, chance: random.Random) -> bytes:
    """Some fields of some headers, a new PAX header, blocks in another order; most checksums are right again."""
    blocks = [bytearray(data[start : start + 512].ljust(512, b"\0")) for start in range(0, len(data), 512)]
    for _ in range(chance.choice((1, 1, 2, 4))):
        headers = [block for block in blocks if block[257:262] == b"ustar"]
        if not headers:
            break
        act = chance.random()
        if act < 0.7:
            _set_field(chance.choice(headers), chance)
        elif act < 0.9:
            at = chance.randrange(len(blocks))
            blocks[at:at] = _pax(chance.choice(headers), chance)
        elif act < 0.95:
            blocks.insert(chance.randrange(len(blocks)), bytearray(chance.choice(blocks)))
        else:
            del blocks[chance.randrange(len(blocks))]
    for block in blocks:
        if block[257:262] == b"ustar" and chance.random() < 0.98:
            _sum_up(block)
    return b"".join(bytes(block) for block in blocks)


def _set_field(header: bytearray, chance: random.Random) -> None:
    start, end = _FIELDS[field := chance.choice(list(_FIELDS))]
    if field == "type":
        value = bytes([chance.choice(_TYPES)])
    elif field == "magic":
        value = chance.choice((b"ustar\x0000", b"ustar  \0", b"ustar\x0001"))
    elif field == "sparse":
        value = b"".join(chance.choice(_NUMBERS).rjust(12, b"0")[:12] for _ in range(8))
    elif field in ("name", "link", "prefix"):
        value = chance.choice(_TEXTS)
    else:
        value = chance.choice(_NUMBERS)
    header[start:end] = value[: end - start].ljust(end - start, b"\0")


def _pax(like: bytearray, chance: random.Random) -> list[bytearray]:
    body = b"".join(
        _record(chance.choice(_KEYS), chance.choice(_VALUES), chance) for _ in range(chance.randrange(1, 5))
    )
    header = bytearray(like)
    header[156:157] = chance.choice((b"x", b"x", b"x", b"g", b"L", b"K"))
    header[124:136] = b"%011o\0" % len(body)
    padded = body.ljust(-(-len(body) // 512) * 512, b"\0")
    return [header, *(bytearray(padded[start : start + 512]) for start in range(0, len(padded), 512))]


def _record(key: bytes, value: bytes, chance: random.Random) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + 1
    while size != len(rest) + len(str(size)):
        size = len(rest) + len(str(size))
    if chance.random() < 0.05:
        size += chance.choice((-1, 1, 100))
    return b"%d" % size + rest


def _sum_up(header: bytearray) -> None:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)


_SHA, _SHA512 = "sha256:" + "a" * 64, "sha512:" + "b" * 128
_JSON: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1 << 70, "", "a", "\0", "\ud800", "é", _SHA, _SHA512, _SHA.upper(),
    "md5:" + "a" * 32, [], {}, [None], [[]], {"a": None}, {"": {}}, ["a"], [1], "linux", "amd64", "arm64", "v8",
    "windows", "layers",
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws", "x" * 300,
    {"digest": _SHA, "size": 3, "mediaType": "application/vnd.oci.image.manifest.v1+json"},
    {"architecture": "arm", "os": "linux", "variant": "v7", "os.features": ["a"]},
)  # fmt: skip
_JSON_KEYS = (
    "config", "rootfs", "diff_ids", "Env", "Cmd", "layers", "manifests", "digest", "size", "mediaType", "platform",
    "os", "architecture", "variant", "schemaVersion", "annotations", "Healthcheck", "Labels", "Volumes", "history",
    "urls",
    "Interval", "artifactType", "subject", "type", "created", "fsLayers", "signatures", "",
)  # fmt: skip


def change_json(data: bytes, chance: random.Random) -> bytes:
    """A value somewhere in the document becomes another, vanishes, or gets company; the text stays JSON."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    for _ in range(chance.choice((1, 1, 2, 4))):
        document = _changed(document, chance)
    return json.dumps(document, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def _changed(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and chance.random() < 0.85:
        keys = [*value, chance.choice(_JSON_KEYS)]
        key = chance.choice(keys)
        if chance.random() < 0.1:
            return {name: below for name, below in value.items() if name != key}
        return value | {key: _changed(value.get(key), chance)}
    if isinstance(value, list) and chance.random() < 0.85:
        at = chance.randrange(len(value) + 1)
        return [*value[:at], _changed(value[at] if at < len(value) else None, chance), *value[at + 1 :]]
    return chance.choice(_JSON)
