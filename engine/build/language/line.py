"""An instruction's text taken apart as far as all instructions are alike: keyword, flags, the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.build.language import flags as flags_of
from engine.build.language import model, words
from engine.build.language.flags import Flags
from engine.build.language.lines import Text
from engine.build.language.source import DockerfileError, Location
from engine.build.language.words import Word


@dataclass(frozen=True, slots=True)
class Line:
    """`rest` is without blanks around it; offsets of `flag_words` are those of `text`; `tail`: the blanks after it."""

    text: Text
    keyword: Word
    flag_words: tuple[Word, ...]
    rest: Text
    escape: str
    location: Location
    comments: tuple[str, ...] = ()
    documents: tuple[model.HereDocument, ...] = ()
    tail: str = ""

    @property
    def common(self) -> dict[str, Any]:
        return {
            "keyword": self.keyword.text,
            "original": self.text.text,
            "location": self.location,
            "comments": self.comments,
        }

    def flags(self, **known: str) -> Flags:
        names = {name.replace("_", "-"): kind for name, kind in known.items()}
        return flags_of.read(self.keyword.text, self.flag_words, names, self.text)

    @property
    def name(self) -> str:
        return self.keyword.text.upper()

    def fail(self, problem: str, word: Word | None = None) -> DockerfileError:
        """An error at a word of the rest, or at the keyword."""
        if word is None:
            return self.text.error(problem, self.keyword.start, self.keyword.end)
        return self.rest.error(problem, word.start, word.end)

    def one(self, what: str) -> str:
        """All of the rest."""
        if not self.rest.text:
            raise self.fail(f"{self.name} needs {what} after it")
        return self.rest.text


def split(text: Text, escape: str) -> tuple[Text, Word, tuple[Word, ...], Text]:
    """(the text without blanks around it, its keyword, its flags, the rest); flags' offsets are the text's."""
    text = text.stripped()
    keyword, after = words.keyword(text)
    found, rest = words.flags(after, escape)
    shift = len(text.text) - len(after.text)
    return text, keyword, tuple(Word(one.text, one.start + shift, one.end + shift) for one in found), rest


def takes_documents(line: Line) -> bool:
    """Whether `<<` in it can name a here-document: RUN, COPY and ADD, not in their JSON form, also behind ONBUILD."""
    if line.name == "ONBUILD":
        _, keyword, _, rest = split(line.rest, line.escape)
        return keyword.text.upper() in ("RUN", "COPY", "ADD") and json_words(rest) is None
    return line.name in ("RUN", "COPY", "ADD") and json_words(line.rest) is None


def json_words(rest: Text) -> list[str] | None:
    """The strings of a list in JSON; None if it is none. Raises `DockerfileError` if not all are strings."""
    try:
        return words.json_list(rest.text)
    except words.NotStrings:
        raise rest.error("a list in JSON has strings alone here: put each word into double quotes") from None


def command(rest: Text) -> model.Command:
    """Exec form if it is a list in JSON, else a text for the shell."""
    found = json_words(rest)
    if found is not None:
        return model.Command(tuple(found), is_shell=False)
    return model.Command((rest.text,) if rest.text else (), is_shell=True)


def listed(line: Line) -> list[Word]:
    """The words of a list in JSON, or those between blanks."""
    found = json_words(line.rest)
    if found is None:
        return words.spaced(line.rest)
    whole = len(line.rest.text)
    return [Word(word, 0, whole) for word in found]
