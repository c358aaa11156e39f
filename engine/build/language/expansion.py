"""Variables, quotes and escapes in a word: what BuildKit's shell/lex.go makes of them.

    $name ${name}                     its value, nothing if it isn't set
    ${name:-word} ${name-word}        `word` if it is unset or empty; if it is unset
    ${name:+word} ${name+word}        `word` if it is set and not empty; if it is set
    ${name:?word} ${name?word}        the error `word` if it is unset or empty; if it is unset
    ${name#pattern} ${name##pattern}  without the shortest, the longest beginning that `pattern` (* and ?) describes
    ${name%pattern} ${name%%pattern}  without such an end
    ${name/pattern/word}              with the first such part replaced; // replaces all

'…' keeps all as it is; "…" all but $, the quote itself and escapes before them; an escape keeps one character. A name
is letters, digits and _, or one of the shell's special parameters, which have no value here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.build.language import pattern
from engine.build.language.lines import BLANKS
from engine.build.language.source import DockerfileError

DEEPEST = 50
"""Substitutions in one another, as in ${a:-${b:-c}}. BuildKit sets no limit; two are what people write."""
RESULT_CHARACTERS = 2 << 20
"""BuildKit sets no limit; sixteen times what Linux takes as one argument or variable."""
_SPECIAL = "@*#?-$!"
_BLANK = re.compile(f"[{BLANKS}]")
_TO_KEEP = re.compile(r"[^$<'\"\\`}/\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def expand(word: str, variables: Mapping[str, str], *, escape: str = "\\") -> str:
    """`word` with variables replaced, without its quotes and escapes. Raises `DockerfileError`, without a place."""
    return Expander(word, variables, escape=escape).whole()


def expand_words(word: str, variables: Mapping[str, str], *, escape: str = "\\") -> tuple[str, ...]:
    """The same, split at white space that is not quoted; what comes out of a variable is split too."""
    expander = Expander(word, variables, escape=escape)
    expander.whole()
    return tuple(expander.words)


def expand_document(text: str, variables: Mapping[str, str]) -> str:
    """A here-document for COPY or ADD: quotes stay, and the escape is always a backslash."""
    return Expander(text, variables, process_quotes=False).whole()


def used_variables(word: str, *, escape: str = "\\") -> frozenset[str]:
    """The names that `expand` looks up. Raises `DockerfileError` as it does for a word of wrong form."""
    names = _Recorder()
    Expander(word, names, escape=escape).whole()
    return frozenset(names.asked)


class _Recorder(dict[str, str]):
    """Has every variable, with an empty value, and knows who was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, name: str, default: object = None) -> str:
        self.asked.add(name)
        return "x"


@dataclass(slots=True)
class _Words:
    """Splits what is added at white space, unless it is added as one."""

    found: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        first, *others = _BLANK.split(text)
        self.pieces.append(first)
        for other in others:
            self.end()
            self.pieces.append(other)

    def add_whole(self, text: str) -> None:
        self.pieces.append(text)

    def end(self) -> None:
        word = "".join(self.pieces)
        if word:
            self.found.append(word)
        self.pieces.clear()


class Expander:
    """One reading of one word. After `whole`, `words`, `found` and `missing` (names of variables) are filled.

    `raw_quotes` and `raw_escapes` leave them in; `keep_unset` leaves in what has no value.
    """

    def __init__(
        self,
        text: str,
        variables: Mapping[str, str],
        *,
        escape: str = "\\",
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        process_quotes: bool = True,
        keep_unset: bool = False,
    ) -> None:
        self._text, self._at, self._depth = text, 0, 0
        self._variables, self._escape = variables, escape
        self._raw_quotes, self._raw_escapes = raw_quotes, raw_escapes
        self._process_quotes, self._keep_unset = process_quotes, keep_unset
        self._size = 0
        self.words: list[str] = []
        self.found: set[str] = set()
        self.missing: set[str] = set()

    def whole(self) -> str:
        result, self.words = self._until("", self._raw_escapes)
        return result

    def _fail(self, problem: str) -> DockerfileError:
        shown = self._text if len(self._text) <= 60 else self._text[:59] + "…"
        return DockerfileError(f"{problem}, in {shown!r}")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def _until(self, stop: str, raw_escapes: bool) -> tuple[str, list[str]]:
        """(what stands before the next `stop`, or the end if it is empty; the same in words)."""
        before, self._raw_escapes = self._raw_escapes, raw_escapes
        pieces: list[str] = []
        words = _Words()
        while character := self._peek():
            if character == stop:
                self._at += 1
                break
            if character == "$":
                pieces.append(value := self._dollar())
                words.add(value)
            elif character == "<" or (self._process_quotes and character in "'\""):
                pieces.append(value := self._marked(character))
                words.add_whole(value)
            elif character == self._escape:
                pieces.append(value := self._escaped())
                words.add_whole(value)
            else:
                run = _TO_KEEP.match(self._text, self._at)
                value = run[0] if run else character
                self._at += len(value)
                pieces.append(value)
                words.add(value)
            self._count(value)
        else:
            if stop:
                raise self._fail(f"{stop!r} is missing at the end of a substitution")
        self._raw_escapes = before
        words.end()
        return "".join(pieces), words.found

    def _count(self, value: str) -> None:
        self._size += len(value)
        if self._size > RESULT_CHARACTERS:
            raise self._fail(f"its value would have more than {RESULT_CHARACTERS:,} characters")

    def _marked(self, character: str) -> str:
        if character == "'":
            return self._single()
        return self._double() if character == '"' else self._heredoc()

    def _escaped(self) -> str:
        """The character after an escape, as it is; an escape at the end is nothing."""
        self._at += 1
        return (self._escape if self._raw_escapes else "") + self._next()

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise self._fail("a single quote (') is not closed")
        quote = "'" if self._raw_quotes else ""
        value = quote + self._text[self._at + 1 : end] + quote
        self._at = end + 1
        return value

    def _double(self) -> str:
        quote = '"' if self._raw_quotes else ""
        self._at += 1
        pieces = [quote]
        while character := self._peek():
            if character == "$":
                pieces.append(value := self._dollar())
                self._count(value)
                continue
            self._at += 1
            if character == '"':
                return "".join([*pieces, quote])
            if character == self._escape:
                if self._raw_escapes:
                    pieces.append(character)
                following = self._peek()
                if not following:
                    break
                if following in ('"', "$", self._escape):
                    character = self._next()
            pieces.append(character)
        raise self._fail('a double quote (") is not closed')

    def _heredoc(self) -> str:
        """`<<` and blanks after it are one, so that a name may follow them."""
        start = self._at
        self._at += 1
        if self._peek() == "<":
            self._at += 1
            while self._peek() in ("\t", "\r", " "):
                self._at += 1
        return self._text[start : self._at]

    def _name(self) -> str:
        following = self._peek()
        if following.isdecimal():
            start = self._at
            while self._peek().isdecimal():
                self._at += 1
            return self._text[start : self._at]
        if following and following in _SPECIAL:
            self._at += 1
            return following
        start = self._at
        while (character := self._peek()) and (character.isalpha() or character.isdecimal() or character == "_"):
            self._at += 1
        return self._text[start : self._at]

    def _look_up(self, name: str) -> str | None:
        value = self._variables.get(name)
        (self.missing if value is None else self.found).add(name)
        return value

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._look_up(name)
            return f"${name}" if value is None and self._keep_unset else value or ""
        self._at += 1
        if self._peek() == "":
            raise self._fail("'}' is missing at the end of a substitution")
        if self._peek() in "{}:":
            raise self._fail("a name is missing after '${'")
        if self._depth == DEEPEST:
            raise self._fail(f"more than {DEEPEST} substitutions in one another")
        self._depth += 1
        try:
            return self._substitution(self._name())
        finally:
            self._depth -= 1

    def _substitution(self, name: str) -> str:
        operator = self._next()
        if operator == "}":
            value = self._look_up(name)
            return f"${{{name}}}" if value is None and self._keep_unset else value or ""
        if operator == "/":
            return self._replaced(name)
        empty_is_unset = operator == ":"
        act = self._next() if empty_is_unset else operator
        if not act:
            raise self._fail("'}' is missing at the end of a substitution")
        operator = f":{act}" if empty_is_unset else act
        if act not in "+-?#%" or operator in (":#", ":%"):
            raise self._fail(f"{operator!r} is no way to substitute: use :- :+ :? - + ? # ## % %% / or //")
        word, _ = self._until("}", act in "#%")
        value = self._look_up(name)
        if value is None and self._keep_unset:
            return f"${{{name}{operator}{word}}}"
        if act in "#%":
            return self._trimmed(act, word, value or "")
        missing = value is None or (empty_is_unset and value == "")
        if act == "?" and missing:
            state = "unset" if value is None else "empty"
            raise DockerfileError(f"{name}: {word or f'is not allowed to be {state}'}")
        if act == "+":
            return "" if missing else word
        return word if missing else value or ""

    def _trimmed(self, act: str, word: str, value: str) -> str:
        longest = word[:1] == act
        made = pattern.compile(word[1:] if longest else word)
        return pattern.without_start(made, value, longest) if act == "#" else pattern.without_end(made, value, longest)

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        self._at += every
        what, _ = self._until("/", True)
        by, _ = self._until("}", True)
        value = self._look_up(name)
        if value is None and self._keep_unset:
            return f"${{{name}/{what}/{by}}}"
        return pattern.replace(pattern.compile(what), value or "", by, every=every, most=RESULT_CHARACTERS)
