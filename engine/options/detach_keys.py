"""--detach-keys: the keys by which a person leaves a container and lets it go on, found in what is typed."""

from __future__ import annotations

from engine.errors import InvalidArgument

DETACH_KEYS = "ctrl-p,ctrl-q"


class DetachKeys:
    """Finds a sequence of keys in what is typed. `text`: as "ctrl-p,ctrl-q" or "a,b"; empty for none."""

    def __init__(self, text: str) -> None:
        self._keys = bytes(_code(key) for key in text.split(",")) if text else b""
        self._typed = 0
        self.are_typed = False

    def take(self, data: bytes) -> bytes:
        """What of it is for the container: what may become the keys is held back, what follows them is dropped."""
        if not self._keys:
            return data
        passed = bytearray()
        for byte in data:
            if byte != self._keys[self._typed]:
                passed += self._keys[: self._typed]
                self._typed = 0
            if byte != self._keys[self._typed]:
                passed.append(byte)
                continue
            self._typed += 1
            if self._typed == len(self._keys):
                self.are_typed = True
                break
        return bytes(passed)

    def rest(self) -> bytes:
        """What is held back still."""
        return self._keys[: self._typed]


def _code(key: str) -> int:
    """ascii(7): a control character is a letter, or one of @[\\]^_, less 64."""
    name, dash, letter = key.partition("-")
    if dash and name == "ctrl" and len(letter) == 1 and 64 <= ord(letter.upper()) < 96:
        return ord(letter.upper()) - 64
    if len(key) == 1 and key.isascii():
        return ord(key)
    raise InvalidArgument(f"{key!r} is no key: give characters or ctrl-LETTER, such as {DETACH_KEYS}")
