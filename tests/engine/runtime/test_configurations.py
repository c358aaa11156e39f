"""A container's configuration is what its file says, however its seccomp profile was recognised."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DataCorrupt
from engine.runtime import capabilities, configurations
from engine.runtime.configurations import Configurations
from engine.runtime.seccomp.profile import default_profile


@pytest.fixture
def known(tmp_path: Path) -> Configurations:
    """That has met the default profile."""
    made = Configurations(tmp_path / "run")
    made.read(written(tmp_path, specification()))
    return made


def specification(**linux: Any) -> dict[str, Any]:
    profile = json.loads(json.dumps(default_profile(capabilities.DEFAULT)))
    return {"process": {"args": ["a"]}, "linux": {"resources": {}, "seccomp": profile, **linux}}


def written(tmp_path: Path, spec: dict[str, Any], *, blanks: bool = False) -> Path:
    bundle = tmp_path / "container" / "bundle"
    bundle.mkdir(parents=True, exist_ok=True)
    separators = None if blanks else (",", ":")
    (bundle / "config.json").write_text(json.dumps(spec, separators=separators))
    return tmp_path / "container"


def stripped(spec: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(spec)
    found["linux"].pop("seccomp", None)
    return found


def test_the_same_profile_is_not_parsed_again(
    known: Configurations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = specification(maskedPaths=["/a"])
    lengths: list[int] = []
    loads = json.loads
    monkeypatch.setattr(configurations.json, "loads", lambda text: lengths.append(len(text)) or loads(text))
    again = known.read(written(tmp_path, spec))
    assert again == (stripped(spec), known.filter(spec["linux"]["seccomp"]))
    assert lengths == [pytest.approx(len(json.dumps(stripped(spec))), abs=60)]


@pytest.mark.parametrize("blanks", [False, True])
def test_another_profile_is_another_filter(known: Configurations, tmp_path: Path, blanks: bool) -> None:
    spec = specification()
    before = known.filter(spec["linux"]["seccomp"])
    spec["linux"]["seccomp"]["syscalls"].pop()
    again, path = known.read(written(tmp_path, spec, blanks=blanks))
    assert again == stripped(spec)
    assert path is not None
    assert path != before


def test_none_is_none(known: Configurations, tmp_path: Path) -> None:
    spec = specification()
    del spec["linux"]["seccomp"]
    assert known.read(written(tmp_path, spec)) == (spec, None)


def test_what_only_looks_like_it_is_none(known: Configurations, tmp_path: Path) -> None:
    """In a text of the specification, and as a member of something else."""
    profile = specification()["linux"]["seccomp"]
    text = '"seccomp":' + json.dumps(profile, separators=(",", ":"))
    spec = {"annotations": {"note": text}, "process": {"seccomp": profile}, "linux": {"resources": {}}}
    assert known.read(written(tmp_path, spec)) == (spec, None)
    spec["linux"] = specification()["linux"]
    again, path = known.read(written(tmp_path, spec))
    assert again == stripped(spec)
    assert path == known.filter(profile)


def test_a_filter_that_was_deleted_is_made_again(known: Configurations, tmp_path: Path) -> None:
    _, path = known.read(written(tmp_path, specification()))
    assert path is not None
    path.unlink()
    assert known.read(tmp_path / "container")[1] == path
    assert path.exists()


def test_what_is_no_json_is_said_to_be_corrupt(known: Configurations, tmp_path: Path) -> None:
    (tmp_path / "container" / "bundle" / "config.json").write_bytes(b"\0" * 9000)
    with pytest.raises(DataCorrupt, match="can't be read"):
        known.read(tmp_path / "container")
