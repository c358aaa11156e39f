"""What RUN, CMD, ENTRYPOINT and HEALTHCHECK start: a program with its words, or a shell with a script."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from engine.build.language.heredocs import is_name
from engine.build.language.model import Command, HereDocument, Run

SHELL = ("/bin/sh", "-c")
"""Linux's, where neither SHELL nor the base image names another."""
DOCUMENTS_DIRECTORY = "/dev/pipes"
"""Where BuildKit mounts a here-document that is a script of its own."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """`argv` as it is executed. `document`, if any, has to be there as `path`, read-only, mode 0755."""

    argv: tuple[str, ...]
    document: HereDocument | None = None
    path: str | None = None


def argv(command: Command, shell: Sequence[str] = SHELL) -> tuple[str, ...]:
    """As the image keeps it. An empty `shell` stands for Linux's."""
    return (*(shell or SHELL), " ".join(command.argv)) if command.is_shell else command.argv


def invocation(run: Run, shell: Sequence[str] = SHELL) -> Invocation:
    """How a RUN is done.

    A command that is nothing but a here-document is that document: a program where it begins with `#!`, else the
    script. Any other gets its documents back below it, for a shell that knows them.
    """
    if not run.files or not run.command.is_shell:
        return Invocation(argv(run.command, shell))
    text = " ".join(run.command.argv)
    if is_name(text) is None:
        text += "".join(f"\n{document.text}{document.name}" for document in run.files)
        return Invocation((*(shell or SHELL), text))
    document = run.files[0]
    if document.content.startswith("#!"):
        path = posixpath.join(DOCUMENTS_DIRECTORY, document.name)
        return Invocation((*(shell or SHELL), path), document, path)
    return Invocation((*(shell or SHELL), document.content))
