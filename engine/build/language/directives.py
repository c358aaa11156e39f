"""Parser directives: `# syntax=`, `# escape=`, `# check=`, each once, at the very top, before any other comment.

BuildKit's parser/directives.go and linter/linter.go. A first line `#!…` ends them for `escape`, not for the others.
"""

from __future__ import annotations

import re

from engine.build.language import values
from engine.build.language.lines import BLANKS, Lines
from engine.build.language.model import Checks, Directives
from engine.build.language.source import DockerfileError, Location
from engine.build.language.suggestions import or_nearest

NAMES = ("syntax", "escape", "check")
# [A-Za-z] and \s as Go has them: ASCII.
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.*[^\t\n\f\r ])[\t\n\f\r ]*", re.DOTALL)
_OPTIONS = ("skip", "experimental", "error")


def read(lines: Lines) -> tuple[Directives, int]:
    """(the directives, how many lines at the top are directives). Raises `DockerfileError`."""
    found: dict[str, tuple[str, Location]] = {}
    bare = lines.source.lines
    count = 0
    shebang = 1 if bare[:1] and bare[0].startswith("#!") else 0
    for index in range(shebang, len(bare)):
        name, value = directive(bare[index].lstrip(BLANKS), "#")
        if name is None:
            break
        place = lines.whole(index + 1)
        if name in found:
            raise DockerfileError(f"the directive {name} is there twice", place)
        if name == "escape" and value not in ("\\", "`"):
            raise DockerfileError(f"escape is a backslash (\\) or a backtick (`), not {value[:20]!r}", place)
        found[name] = value, place
        count += 0 if shebang else 1
    checks = Checks()
    if "check" in found:
        value, place = found["check"]
        try:
            checks = options(value.partition(" ")[0])
        except DockerfileError as error:
            raise error.at(place) from None
    return (
        Directives(
            syntax=found["syntax"][0].partition(" ")[0] if "syntax" in found else None,
            escape=found["escape"][0] if "escape" in found and not shebang else "\\",
            check=checks,
        ),
        count,
    )


def directive(line: str, mark: str) -> tuple[str | None, str]:
    """(name, value) of a line that is one, (None, "") for any other."""
    if not line.startswith(mark):
        return None, ""
    match = _DIRECTIVE.fullmatch(line[len(mark) :].lstrip(BLANKS))
    if match is None or match[1].lower() not in NAMES:
        return None, ""
    return match[1].lower(), match[2]


def options(text: str) -> Checks:
    """`skip=Rule,Rule;experimental=all;error=true`. Raises `DockerfileError`, without a place."""
    named: dict[str, frozenset[str]] = {"skip": frozenset(), "experimental": frozenset()}
    error = False
    for part in text.split(";", 2) if text else ():
        key, equals, value = part.partition("=")
        key, value = key.strip(BLANKS), value.strip(BLANKS)
        if not equals or key not in _OPTIONS:
            what = f"{key} needs a value" if key in _OPTIONS else f"check has no option {key[:40]!r}"
            raise DockerfileError(f"{what}{or_nearest(key, _OPTIONS)}: write skip=Rule,Rule;error=true")
        if key == "error":
            try:
                error = values.truth(value)
            except ValueError:
                raise DockerfileError(f"check: error is true or false, not {value[:40]!r}") from None
        else:
            named[key] = frozenset(rule.strip(BLANKS) for rule in value.split(","))
    return Checks(
        skip=named["skip"] - {"all"},
        skip_all=named["skip"] == {"all"},
        experimental=named["experimental"] - {"all"},
        experimental_all=named["experimental"] == {"all"},
        error=error,
    )
