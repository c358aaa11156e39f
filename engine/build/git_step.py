"""ADD of a git repository: the step's key is the commit, so that nothing is fetched for one that is in the cache."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Sequence

from engine.build import copy_step
from engine.build.copy_step import Placing, Sources
from engine.build.git import fetching
from engine.build.git.fetching import Servers
from engine.build.language import git_source, model
from engine.build.language.git_source import GitSource
from engine.build.language.source import DockerfileError
from engine.build.layering import Work
from engine.build.sandbox import Layers
from engine.build.trees import Tree
from engine.build.workplace import Workplace


def sources(add: model.Add) -> dict[str, GitSource]:
    """The repositories among what is added. Raises `InvalidArgument`, `DockerfileError` for flags that don't fit."""
    found = {one: read for one in add.sources if (read := git_source.read(one)) is not None}
    if add.checksum and found and len(add.sources) > 1:
        raise DockerfileError("--checksum is for one source alone, and that a URL or a repository", add.location)
    if add.keep_git_dir and not found:
        raise DockerfileError("--keep-git-dir is for git repositories alone", add.location)
    return found


def work(
    source: GitSource, add: model.Add, placing: Placing, place: Workplace, servers: Servers, *,
    log: Callable[[bytes], None], description: str,
) -> Work:  # fmt: skip
    """Raises what `fetching.resolve` raises: the server is asked which commit it has, unless the source says it."""
    if add.checksum:
        if source.checksum and source.checksum != add.checksum:
            raise DockerfileError("--checksum and the repository's own query name different commits", add.location)
        source = _with_checksum(source, add)
    keeps = bool(add.keep_git_dir) if source.keep_git_dir is None else source.keep_git_dir
    commit = fetching.resolve(source, servers).digits
    definition = {
        "do": "git", "remote": source.shown, "commit": commit, "directory": source.directory, "keeps": keeps,
        "submodules": source.submodules is not False, "to": placing.destination, "owner": placing.owner,
        "mode": placing.mode, "link": placing.link, "exclude": list(add.exclude),
    }  # fmt: skip

    def make(layers: Layers) -> Sequence[bytes]:
        directory = place.new_directory("git")
        with fetching.fetch(source, commit, directory, servers, keeps=keeps, log=log) as (context, _):
            node = os.open(context.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            with Tree(node, owner=(0, 0), lendable=True, called=f"the repository {source.shown}") as tree:
                files = Sources(tree=tree, patterns=("/",), exclude=add.exclude)
                return copy_step.work(files, placing, None, description).make(layers)

    return Work(definition=definition, description=description, make=make, alone=placing.link)


def _with_checksum(source: GitSource, add: model.Add) -> GitSource:
    if not re.fullmatch(r"[0-9a-f]{7,64}", add.checksum or ""):
        raise DockerfileError("--checksum of a repository is its commit, 7 hex digits of it or more", add.location)
    return dataclasses.replace(source, checksum=add.checksum)


def together(works: Sequence[Work], description: str, *, alone: bool) -> Work:
    """Several as one step, done one after the other."""
    if len(works) == 1:
        return works[0]

    def content() -> str:
        return " ".join("" if one.content is None else one.content() for one in works)

    def make(layers: Layers) -> Sequence[bytes]:
        return [path for one in works for path in one.make(layers)]

    return Work(
        definition={"do": "several", "parts": [one.definition for one in works]}, description=description, make=make,
        content=content if any(one.content is not None for one in works) else None,
        overlaid=any(one.overlaid for one in works), alone=alone,
    )  # fmt: skip
