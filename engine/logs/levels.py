"""What level a line was logged at, by the ways in which programs write it.

JSON ({"level": "warn"}, {"severity": "ERROR"}, pino's and GELF's numbers), logfmt (level=info), klog (E0102 10:00:00),
syslog (<11>), and words such as `ERROR`, `[warn]` or `info:` near the line's beginning. `static/js/log/levels.js` does
the same for lines that come live; `tests/engine/logs/levels.json` holds both to it.
"""

from __future__ import annotations

import re

NONE, DEBUG, INFO, WARN, ERROR = range(5)
LEVELS = ("none", "debug", "info", "warn", "error")
"""Names by number: from a line that tells no level to one that tells of an error."""

LOOK_BYTES = 1024
_WORD_BYTES = 200

_WORDS = {
    b"trace": DEBUG,
    b"debug": DEBUG,
    b"dbug": DEBUG,
    b"dbg": DEBUG,
    b"verbose": DEBUG,
    b"info": INFO,
    b"information": INFO,
    b"informational": INFO,
    b"notice": INFO,
    b"log": INFO,
    b"warn": WARN,
    b"warning": WARN,
    b"err": ERROR,
    b"error": ERROR,
    b"fail": ERROR,
    b"severe": ERROR,
    b"crit": ERROR,
    b"critical": ERROR,
    b"alert": ERROR,
    b"emerg": ERROR,
    b"emergency": ERROR,
    b"fatal": ERROR,
    b"panic": ERROR,
    b"dpanic": ERROR,
}
_LETTERS = {b"I": INFO, b"W": WARN, b"E": ERROR, b"F": ERROR}

_ESCAPES = re.compile(rb"\x1b\[[0-9;:]*[A-Za-z]")
_JSON = re.compile(
    rb'"(?:level|lvl|severity|loglevel|log\.level|levelname|@l)"\s*:\s*(?:"([A-Za-z]+)"|([0-9]{1,2})(?![0-9.]))', re.I
)
_LOGFMT = re.compile(rb'(?:^|[\s,;{])(?:level|lvl|severity|loglevel)="?([A-Za-z]+)', re.I)
_KLOG = re.compile(rb"([IWEF])[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_SYSLOG = re.compile(rb"<([0-9]{1,3})>")
# In capitals a word stands alone; in other letters only where it is marked as one: [warn], error:, |info|, (debug).
_TOKEN = re.compile(rb"[A-Za-z0-9_-]+")
_BEFORE = b" \t[(|<"
_AFTER = re.compile(rb"(?:\[[0-9]+\])?(?:[\])|>]|:(?:\s|$)|!)")
_HINTS = re.compile(rb"info|err|warn|debug|log:|notice|fail|fatal|trace|crit|panic|dbug|severe|alert|emerg|verbose")
_TRACEBACK = b"Traceback (most recent call last)"


def level_of(line: bytes) -> int:
    """NONE … ERROR for one line, without its newline; never looks further than `LOOK_BYTES`."""
    head = line[:LOOK_BYTES]
    if b"\x1b" in head:
        head = _ESCAPES.sub(b"", head)
    if head[:1] == b"{":
        found = _JSON.search(head)
        if found is not None:
            return _WORDS.get(found[1].lower(), NONE) if found[1] else _of_number(int(found[2]))
    if b"=" in head:
        found = _LOGFMT.search(head)
        if found is not None and found[1].lower() in _WORDS:
            return _WORDS[found[1].lower()]
    if (found := _KLOG.match(head)) is not None:
        return _LETTERS[found[1]]
    if head[:1] == b"<" and (found := _SYSLOG.match(head)) is not None and int(found[1]) < 192:
        return _of_severity(int(found[1]) & 7)
    return _of_words(head[:_WORD_BYTES])


def _of_words(head: bytes) -> int:
    lower = head.lower()
    if _HINTS.search(lower) is None:  # most lines of most logs
        return NONE
    if head.startswith(_TRACEBACK):
        return ERROR
    for match in _TOKEN.finditer(head):
        word, (start, end) = match[0], match.span()
        level = _WORDS.get(lower[start:end])
        if level is None:
            continue
        if word.isupper():
            if word != b"LOG" or head[end : end + 1] == b":":
                return level
        elif word != b"log" and (not start or head[start - 1] in _BEFORE) and _AFTER.match(head, end):
            return level
    return NONE


def _of_number(number: int) -> int:
    """Up to 7 syslog's severities (GELF), from 10 on those of bunyan and pino."""
    if number <= 7:
        return _of_severity(number)
    if number < 30:
        return DEBUG if number >= 10 else NONE
    return INFO if number < 40 else WARN if number < 50 else ERROR


def _of_severity(number: int) -> int:
    """RFC 5424, section 6.2.1."""
    return ERROR if number <= 3 else WARN if number == 4 else INFO if number <= 6 else DEBUG
