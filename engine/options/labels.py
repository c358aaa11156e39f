"""Filters by labels, as `docker … ls` and `docker … prune` take them: NAME (any value) or NAME=VALUE.

Source: Docker's reference of `docker system prune --filter`, and moby's matchLabels: with `label!` what has all of the
labels that are named stays, what lacks one of them goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def has_all(present: Mapping[str, str], wanted: Iterable[str]) -> bool:
    """Whether all of `wanted` are among the labels that are `present`."""
    parts = [label.partition("=") for label in wanted]
    return all(key in present and (not equals or present[key] == value) for key, equals, value in parts)


def are_meant(present: Mapping[str, str], wanted: Iterable[str], unwanted: Iterable[str]) -> bool:
    """Whether a prune by `label` (`wanted`) and `label!` (`unwanted`) may take what has the labels `present`."""
    unwanted = tuple(unwanted)
    return has_all(present, wanted) and not (unwanted and has_all(present, unwanted))
