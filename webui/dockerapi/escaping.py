"""Keys by which somebody at a terminal leaves without ending what runs: `ctrl-p,ctrl-q`, or others of one's own.

As moby/term: what might begin the keys waits until the next byte tells.
"""

from __future__ import annotations

from engine.errors import InvalidArgument

DEFAULT = b"\x10\x11"
_CONTROLS = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def keys(text: str) -> bytes:
    """`ctrl-a`, `ctrl-p,ctrl-q`, `a,b` as bytes; the usual ones for an empty text. Raises InvalidArgument."""
    if not text:
        return DEFAULT
    found = bytearray()
    for part in text.split(","):
        control = part.removeprefix("ctrl-") if part.startswith("ctrl-") else None
        if control is None and len(part) == 1 and part.isascii():
            found.append(ord(part))
        elif control is not None and len(control) == 1 and "a" <= control <= "z":
            found.append(ord(control) - ord("a") + 1)
        elif control in _CONTROLS:
            found.append(_CONTROLS[control])
        else:
            raise InvalidArgument(f"Invalid detach keys ({text[:60]}) provided")
    return bytes(found)


class Escape:
    """Looks for the keys in what is typed, however it is cut into pieces."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._matched = 0

    def pass_on(self, data: bytes) -> tuple[bytes, bool]:
        """What of it is for the program, and whether the keys were pressed: then the rest is for nobody."""
        passed = bytearray()
        for byte in data:
            if byte == self._wanted[self._matched]:
                self._matched += 1
                if self._matched == len(self._wanted):
                    return bytes(passed), True
                continue
            passed += self._wanted[: self._matched]
            self._matched = 0
            if byte == self._wanted[0]:
                self._matched = 1
            else:
                passed.append(byte)
        return bytes(passed), False
