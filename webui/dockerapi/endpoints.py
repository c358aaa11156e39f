"""Every module that has endpoints: importing one registers what it has."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "system",
    "containers.listing",
    "containers.inspecting",
    "containers.creating",
    "containers.verbs",
    "containers.waiting",
    "containers.logs",
    "images.looking",
    "images.changing",
    "images.moving",
    "images.archives",
    "builds.building",
    "networks.looking",
    "networks.changing",
    "volumes",
    "containers.attaching",
    "containers.archive",
    "containers.top",
    "containers.stats",
    "containers.committing",
    "execs",
    "events",
    "disk",
    "logging_in",
    "swarm",
)


def load() -> None:
    for name in MODULES:
        import_module(f"webui.dockerapi.{name}")
