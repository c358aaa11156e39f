"""Here-documents: which an instruction's text names, and the lines that belong to them.

A name is what follows `<<` or `<<-` in a word of its own, blanks between allowed; digits may stand before it. Quotes in
it, of any kind, keep variables in the document from being replaced. A line that is not a list of shell words (an open
quote) names none: BuildKit leaves it to the shell.
"""

from __future__ import annotations

import re

from engine.build.language.expansion import Expander
from engine.build.language.lines import Lines, Text
from engine.build.language.model import HereDocument
from engine.build.language.source import DockerfileError

_WORD = re.compile(r"[0-9]*<<(-?)[\t\n\f\r ]*([^<]*)")


def named_by(word: str) -> HereDocument | None:
    """The document, still empty, that a word names. Raises `DockerfileError` for an open quote."""
    match = _WORD.fullmatch(word)
    if match is None or not match[2]:
        return None
    plain = Expander(match[2], {}, keep_unset=True)
    plain.whole()
    if len(plain.words) != 1:
        return None
    raw = Expander(match[2], {}, keep_unset=True, raw_quotes=True)
    raw.whole()
    expands = len(raw.words) == 1 and _quotes(raw.words[0]) == _quotes(plain.words[0])
    return HereDocument(plain.words[0], "", expands, match[1] == "-")


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def is_name(word: str) -> HereDocument | None:
    """As `named_by`, but None for whatever can't be read."""
    try:
        return named_by(word)
    except DockerfileError:
        return None


def names(line: str) -> list[HereDocument]:
    """The documents that an instruction's text names, in order."""
    if "<<" not in line:
        return []
    expander = Expander(line, {}, keep_unset=True, raw_quotes=True, raw_escapes=True)
    try:
        expander.whole()
    except DockerfileError:
        return []
    return [found for word in expander.words if (found := named_by(word)) is not None]


def collect(wanted: list[HereDocument], lines: Lines, index: int, text: Text) -> tuple[list[HereDocument], int]:
    """(the documents with their lines, from lines[index] on; the index after the last one's end).

    Raises `DockerfileError`, at the instruction, when the file ends before a document does.
    """
    found: list[HereDocument] = []
    for document in wanted:
        first = index
        while index < len(lines.raw):
            bare = lines.source.lines[index]
            if (bare.lstrip("\t") if document.strips_tabs else bare) == document.name:
                break
            index += 1
        else:
            match = re.search(rf"<<-?\s*['\"\\]*{re.escape(document.name)}['\"]*", text.text)
            start, end = match.span() if match else (0, len(text.text))
            problem = f"the here-document {document.name!r} has no end: a line with {document.name} alone is missing"
            raise text.error(problem, start, end)
        body = "".join(lines.raw[first:index])
        found.append(HereDocument(document.name, body, document.expands, document.strips_tabs))
        index += 1
    return found, index
