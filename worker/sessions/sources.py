"""Which sessions this host's engine can serve."""

from __future__ import annotations

from functools import partial
from typing import Any

from worker.contract import files, sessions
from worker.executor import Executor
from worker.sessions.archive_source import InSource, OutSource, PathSource, VolumeInSource
from worker.sessions.attach_source import AttachSource
from worker.sessions.build_source import BuildContextSource
from worker.sessions.exec_source import ExecSource
from worker.sessions.file_source import OwnSource, PackSource, ReadSource, RemoveSource, WriteSource
from worker.sessions.image_source import ImportSource, LoadSource, SaveSource
from worker.sessions.registry_source import (
    ManifestSource,
    ReferrersSource,
    SearchSource,
    SignaturesSource,
    TagsSource,
)
from worker.sessions.server import Opener


def openers(engine: Any, executor: Executor) -> dict[str, Opener]:
    """By the name in `OpenSession.source`. What takes long and brings its own bytes is a job of `executor`."""
    return {
        "exec": partial(ExecSource, engine),
        "attach": partial(AttachSource, engine),
        sessions.PATH_STAT: partial(PathSource, engine),
        sessions.COPY_OUT: partial(OutSource.of_path, engine),
        sessions.COPY_IN: partial(InSource, engine),
        sessions.IMAGE_SAVE: partial(SaveSource, engine),
        sessions.REGISTRY_TAGS: partial(TagsSource, engine),
        sessions.REGISTRY_REFERRERS: partial(ReferrersSource, engine),
        sessions.REGISTRY_MANIFEST: partial(ManifestSource, engine),
        sessions.REGISTRY_SEARCH: partial(SearchSource, engine),
        sessions.REGISTRY_SIGNATURES: partial(SignaturesSource, engine),
        sessions.IMAGE_LOAD: partial(LoadSource, executor),
        sessions.IMAGE_IMPORT: partial(ImportSource, executor),
        sessions.BUILD_CONTEXT: partial(BuildContextSource, engine),
        files.READ: partial(ReadSource, engine),
        files.WRITE: partial(WriteSource, engine),
        files.REMOVE: partial(RemoveSource, engine),
        files.OWN: partial(OwnSource, engine),
        files.PACK: partial(PackSource, engine),
        sessions.VOLUME_OUT: partial(OutSource.of_volume, engine),
        sessions.VOLUME_IN: partial(VolumeInSource, engine),
        sessions.EXPORT: partial(OutSource.of_everything, engine),
    }
