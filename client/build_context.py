"""A folder for builds as one tar: what `.dockerignore` leaves out stays here, and nothing says whose files they were.

Links go as links, sockets and devices not at all. The Dockerfile and the rules themselves go along whatever the rules
say, as with docker: the host reads them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from client.errors import InvalidArgument
from client.packing import is_packable, tar_of
from engine.build.language import IgnoreRules
from engine.build.language.ignore import file_names
from engine.errors import EngineError


class ContextFiles:
    """`dockerfile`: its path in the folder, whose own rules go before the folder's. Raises InvalidArgument."""

    def __init__(self, directory: Path, dockerfile: str = "Dockerfile") -> None:
        if not directory.is_dir():
            raise InvalidArgument(f"{directory} is no folder that can be read: give the folder to build from")
        self.directory = directory
        self.name = directory.resolve().name or "context"
        self._always = {dockerfile}
        self._rules = self._read_rules(dockerfile)

    def names(self) -> Iterator[tuple[str, os.stat_result]]:
        """What goes along: paths in the folder, in order, each directory before what is in it."""
        yield from self._below("")

    def _below(self, above: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(self.directory / above) as entries:
                found = sorted(entry.name for entry in entries)
        except OSError as error:
            raise InvalidArgument(
                f"{above or self.directory}: {error.strerror}: make it readable, or ignore it"
            ) from None
        for name in found:
            path = f"{above}/{name}" if above else name
            facts = os.lstat(self.directory / path)
            is_directory = stat.S_ISDIR(facts.st_mode)
            if self._is_wanted(path):
                if is_packable(facts):
                    yield path, facts
            elif not is_directory or not self._may_contain(path):
                continue
            if is_directory:
                yield from self._below(path)

    def _is_wanted(self, path: str) -> bool:
        return path in self._always or self._rules is None or not self._rules.excludes(path)

    def _may_contain(self, path: str) -> bool:
        assert self._rules is not None
        return self._rules.may_contain(path) or any(name.startswith(f"{path}/") for name in self._always)

    def _read_rules(self, dockerfile: str) -> IgnoreRules | None:
        for name in file_names(dockerfile):
            try:
                text = (self.directory / name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise InvalidArgument(f"{name} can't be read: {error.strerror}") from None
            self._always.add(name)
            try:
                return IgnoreRules.parse(text, name=name)
            except EngineError as error:
                raise InvalidArgument(f"{name}: {error.message}") from None
        return None

    def tar(self) -> Iterator[bytes]:
        """The tar, piece by piece. Raises InvalidArgument for a file that can't be read or becomes shorter."""
        return tar_of((path, self.directory / path, facts) for path, facts in self.names())
