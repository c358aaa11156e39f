"""The flags of an instruction: which there are, each once, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.build.language.lines import Text
from engine.build.language.suggestions import or_nearest
from engine.build.language.words import Word

SWITCH, VALUE, VALUES = "switch", "value", "values"


@dataclass(slots=True)
class Flags:
    """What was given. Each value knows its flag, so that an error can point at it."""

    given: dict[str, list[tuple[str, Word]]] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """A flag's text; None if it isn't given or is empty."""
        return self.given[name][0][0] or None if name in self.given else None

    def values(self, name: str) -> tuple[str, ...]:
        return tuple(value for value, _ in self.given.get(name, ()))

    def switch(self, name: str) -> bool | None:
        return self.given[name][0][0] == "true" if name in self.given else None

    def word(self, name: str) -> Word:
        """Where the (first) flag of that name stands."""
        return self.given[name][0][1]


Error = Callable[[str, Word], Exception]


def read(keyword: str, words: Sequence[Word], known: Mapping[str, str], text: Text) -> Flags:
    """`known`: names and kinds of the instruction's flags. Raises `DockerfileError` at the flag."""
    flags = Flags()
    for word in words:
        name, equals, value = word.text[2:].partition("=")

        def refuse(problem: str, word: Word = word) -> Exception:
            return text.error(problem, word.start, word.end)

        if name not in known:
            others = f"; it takes {', '.join('--' + one for one in known)}" if known else "; it takes none"
            hint = or_nearest(name, known).replace("mean ", "mean --")
            raise refuse(f"{keyword.upper()} has no flag --{name[:40]}{hint or others}")
        kind = known[name]
        if name in flags.given and kind != VALUES:
            raise refuse(f"the flag --{name} is there twice")
        if kind == SWITCH:
            value = value.lower() if equals else "true"
            if value not in ("true", "false"):
                raise refuse(f"the flag --{name} is true or false, not {value[:40]!r}")
        elif not equals:
            raise refuse(f"the flag --{name} needs a value: --{name}=…")
        flags.given.setdefault(name, []).append((value, word))
    return flags
