"""From bytes to lines, and from lines to instructions' texts, as BuildKit joins them (its parser/parser.go).

A comment between continued lines vanishes; so does an empty line, with a warning. White space before the first line of
an instruction does not count, that of continued lines stays. The escape character continues a line when it is the last
character but blanks, and does not follow another.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from engine.build.language.source import DockerfileError, Location, Source

LINE_BYTES = 65_535
"""BuildKit's: what Go's bufio.Scanner takes."""
FILE_BYTES = 1 << 20
"""Ours. BuildKit has no limit but that of a message between its processes, 16 MB."""
BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""Unicode's White_Space, which is what Go trims."""
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Text:
    """Joined lines. `starts[i]` is the offset in `text` from which `places[i]` (line, column) counts."""

    text: str
    starts: tuple[int, ...]
    places: tuple[tuple[int, int], ...]
    source: Source

    def place(self, offset: int) -> tuple[int, int]:
        """(line, column) of the character at `offset`, which may be the end."""
        at = max(0, bisect_right(self.starts, offset) - 1)
        line, column = self.places[at]
        return line, column + offset - self.starts[at]

    def location(self, start: int = 0, end: int | None = None) -> Location:
        """The place of text[start:end]."""
        end = len(self.text) if end is None else end
        line, column = self.place(start)
        end_line, end_column = self.place(end - 1) if end > start else (line, column - 1)
        return Location(line, column, end_line, end_column + 1, self.source)

    def part(self, start: int, end: int) -> Text:
        """text[start:end] with its places."""
        first = max(0, bisect_right(self.starts, start) - 1)
        last = max(first + 1, bisect_right(self.starts, max(start, end - 1)))
        starts = (0, *(at - start for at in self.starts[first + 1 : last]))
        return Text(self.text[start:end], starts, (self.place(start), *self.places[first + 1 : last]), self.source)

    def stripped(self) -> Text:
        start = len(self.text) - len(self.text.lstrip(BLANKS))
        return self.part(start, max(start, len(self.text.rstrip(BLANKS))))

    def error(self, problem: str, start: int = 0, end: int | None = None) -> DockerfileError:
        return DockerfileError(problem, self.location(start, end))


@dataclass(frozen=True, slots=True)
class Lines:
    """`raw` lines have their ends, as here-documents keep them."""

    source: Source
    raw: tuple[str, ...]

    def whole(self, number: int) -> Location:
        """Line `number`, from its first character that is not blank."""
        text = self.source.lines[number - 1]
        return Location(number, 1 + len(text) - len(text.lstrip(BLANKS)), number, len(text) + 1, self.source)


def read(data: bytes, name: str) -> Lines:
    """Raises `DockerfileError` if the file is empty, too large, or has too long a line."""
    if not data:
        raise DockerfileError(f"{name} is empty: it needs at least FROM and an image, or FROM scratch")
    if len(data) > FILE_BYTES:
        raise DockerfileError(
            f"{name} has {len(data):,} bytes, and {FILE_BYTES:,} is the most: copy large files from the build context"
        )
    # What isn't UTF-8 may stand in a comment, as it may for BuildKit; `refuse_bytes` finds it elsewhere.
    text = data.decode("utf-8", "surrogateescape").removeprefix(_BOM)
    raw = tuple(text.split("\n"))
    raw = tuple(line + "\n" for line in raw[:-1]) + ((raw[-1],) if raw[-1] else ())
    lines = Lines(Source(name, tuple(line.rstrip("\r\n") for line in raw)), raw)
    for number, line in enumerate(raw, 1):
        if len(line) * 4 > LINE_BYTES and len(line.rstrip("\n").encode("utf-8", "surrogateescape")) > LINE_BYTES:
            raise DockerfileError(
                f"a line of more than {LINE_BYTES:,} bytes: continue it on the next with the escape character",
                Location(number, 1, number, 2, lines.source),
            )
    return lines


def refuse_bytes(lines: Lines, first: int, last: int) -> None:
    """Raises `DockerfileError` if lines `first` to `last` have what no command line and no variable can have."""
    for number in range(first, last + 1):
        line = lines.source.lines[number - 1]
        if line.isascii() and "\0" not in line:
            continue
        for at, character in enumerate(line):
            if character == "\0" or "\udc80" <= character <= "\udcff":
                what = (
                    "a zero byte"
                    if character == "\0"
                    else f"the byte 0x{ord(character) - 0xDC00:02x}, which is not UTF-8"
                )
                raise DockerfileError(
                    f"{what}: save the file as UTF-8 text", Location(number, at + 1, number, at + 2, lines.source)
                )


def is_comment(line: str) -> bool:
    return line.lstrip(BLANKS).startswith("#")


def without_continuation(line: str, escape: str) -> tuple[str, bool]:
    """(what of the line belongs to the instruction, whether the next line does too)."""
    bare = line.rstrip(" \t")
    if bare.endswith(escape) and not bare.endswith(escape * 2):
        return bare[:-1], True
    return line, False


@dataclass(slots=True)
class Joined:
    """An instruction's lines, as far as its here-documents. `next_index` is the index of the line after them,
    `empty_line` the number of the first empty one among them."""

    text: Text
    first: int
    last: int
    next_index: int
    empty_line: int | None


def join(lines: Lines, index: int, escape: str) -> Joined | None:
    """The instruction whose first line is lines[index]; None for a blank line or a comment."""
    bare = lines.source.lines
    line = bare[index].lstrip(BLANKS)
    if not line or line.startswith("#"):
        return None
    found, continues = without_continuation(line, escape)
    pieces, starts, places, size = [found], [0], [(index + 1, len(bare[index]) - len(line) + 1)], len(found)
    first = index + 1
    empty_line: int | None = None
    index += 1
    while continues and index < len(bare):
        line = bare[index]
        index += 1
        if is_comment(line):
            continue
        if not line.strip(BLANKS):
            empty_line = empty_line or index
            continue
        found, continues = without_continuation(line, escape)
        if found:
            pieces.append(found)
            starts.append(size)
            places.append((index, 1))
            size += len(found)
    text = Text("".join(pieces), tuple(starts), tuple(places), lines.source)
    return Joined(text, first, index, index, empty_line)
