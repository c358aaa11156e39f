"""What stands before each line of a log that is shown with its details: `tag`, `labels` and `env` of --log-opt.

As Docker's json-file has it (docs.docker.com/engine/logging/drivers/json-file and /log_tags; the form of a line is that
of moby's api/server/httputils/write_log_stream.go). Docker writes it into each record; here the request says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote_plus

from engine.options import expressions

TAG_WORDS = ("ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "DaemonName")
DETAILS_BYTES = 1024
"""More is cut: it stands before each line, and a variable may be as long as a million of them."""
NAME_CHARACTERS = 256
_WORD = re.compile(r"\{\{\s*\.([A-Za-z]+)\s*\}\}")


def problems(options: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each of the options that can't be read."""
    for name in ("labels-regex", "env-regex"):
        if options.get(name) and expressions.read(options[name]) is None:
            yield (
                f"{name} {options[name][:60]!r}: give an expression of at most {expressions.LENGTH_MAXIMUM} characters "
                "with characters, ., classes, * + ?, ^, $ and alternatives, such as ^(app|team)-"
            )
    rest = _WORD.sub(lambda found: "" if found[1] in TAG_WORDS else found[0], options.get("tag", ""))
    if "{{" in rest:
        known = " ".join(f"{{{{.{word}}}}}" for word in TAG_WORDS)
        yield f"tag {options['tag'][:60]!r}: of what stands in braces these are known: {known}"


def before(
    options: Mapping[str, str], *, labels: Mapping[str, str], env: Mapping[str, str], words: Mapping[str, str]
) -> bytes:
    """`name=value,name=value ` in the order of names, and a space alone if nothing is to be shown, as with Docker.

    `labels` and `env` are the container's, with its image's; `words` has each of `TAG_WORDS`. At most `DETAILS_BYTES`.
    """
    found = {
        **_chosen(labels, options.get("labels", ""), options.get("labels-regex", "")),
        **_chosen(env, options.get("env", ""), options.get("env-regex", "")),
    }
    if tag := _WORD.sub(lambda word: words.get(word[1], ""), options.get("tag", "")):
        found["tag"] = tag
    pairs = (f"{quote_plus(name)}={quote_plus(found[name][:DETAILS_BYTES])}" for name in sorted(found))
    details = ",".join(pairs).encode() + b" "
    return details if len(details) <= DETAILS_BYTES else details[: DETAILS_BYTES - 4] + b"... "


def _chosen(of: Mapping[str, str], names: str, pattern: str) -> dict[str, str]:
    expression = expressions.read(pattern) if pattern else None
    wanted = set(names.split(","))
    return {
        name: value
        for name, value in of.items()
        if name in wanted or (expression is not None and len(name) <= NAME_CHARACTERS and expression.is_in(name))
    }
