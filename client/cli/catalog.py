"""Every command by its first word, and the module that has it: only the one that is asked for is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from client.cli.shell import Command

MODULES: dict[str, tuple[str, ...]] = {
    "running": ("run", "create", "start", "attach", "exec"),
    "pruning": ("container",),
    "lives": ("stop", "restart", "kill", "pause", "unpause", "rm", "rename", "update", "wait"),
    "recreating": ("recreate",),
    "looking": ("ps", "inspect", "top", "stats", "diff", "port"),
    "reading": ("logs", "events"),
    "copying": ("cp", "commit", "export"),
    "images": ("images", "pull", "push", "rmi", "tag", "history", "save", "load", "import"),
    "builds": ("build", "builds"),
    "volumes": ("volume",),
    "networks": ("network",),
    "jobs": ("jobs",),
    "system": ("system", "hosts", "version"),
    "signing": ("login", "logout", "context", "whoami", "token", "team"),
    "raw": ("api",),
    "completing": ("completion", "__complete"),
}
HIDDEN = frozenset({"__complete"})


def commands_of(first: str) -> tuple[Command, ...]:
    """The commands that begin with a word; none if nothing does."""
    for module, words in MODULES.items():
        if first in words:
            found: tuple[Command, ...] = import_module(f"client.cli.commands.{module}").COMMANDS
            return tuple(command for command in found if command.words[0] == first)
    return ()


def all_commands() -> Iterator[Command]:
    """All that are shown, in the order in which people read of them."""
    for words in MODULES.values():
        for word in words:
            if word not in HIDDEN:
                yield from commands_of(word)


def first_words() -> list[str]:
    return [word for words in MODULES.values() for word in words if word not in HIDDEN]
