"""Files that a context lends to layers by hard links, and links in what is copied: nothing else is ever written to."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest

from engine.build.spec import BuildSpec
from engine.errors import EngineError
from tests.engine.build.test_contexts import tar_of
from tests.support.builds import Workbench, fill

pytestmark = pytest.mark.root


def test_a_bind_that_may_be_written_is_nobody_elses(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {"d/f": "as it was\n"})
    dockerfile = "FROM tiny\nCOPY d/f /f\nRUN --mount=target=/src,source=d,rw echo other >> /src/f\n"
    with bench.engine.builder.receive(io.BytesIO(tar_of(tmp_path))) as context:
        text = bench.text(dockerfile)
        result = bench.engine.builder.build(BuildSpec(dockerfile_text=text, team="lent"), context)
        assert (context.directory / "d/f").read_text() == "as it was\n"
    assert bench.files(result.image_id)["f"].content == b"as it was\n"


def test_a_directory_that_is_left_out_is_made_for_what_is_not(bench: Workbench) -> None:
    files = {"a/x": "x", "a/y": "y", ".dockerignore": "a\n!a/x\n.dockerignore\n"}
    assert set(bench.files(bench.build("FROM scratch\nCOPY . /to/\n", files))) == {"to", "to/a", "to/a/x"}


@pytest.mark.parametrize("flag", ["", "--link "])
def test_no_link_that_was_copied_leads_a_later_file_out(bench: Workbench, tmp_path: Path, flag: str) -> None:
    (tmp_path / "outside").mkdir()
    files = {"one/a": f"-> {tmp_path}/outside", "two/a/x": "x", ".dockerignore": "two/a\n!two/a/x\n"}
    with contextlib.suppress(EngineError):  # in one way, the link is in the way of the directory
        bench.build(f"FROM scratch\nCOPY {flag}one/ two/ /to/\n", files)
    assert os.listdir(tmp_path / "outside") == []


def test_no_link_that_was_copied_gives_times_to_what_is_outside(bench: Workbench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "e").mkdir(parents=True)
    os.utime(outside / "e", (1000, 1000))
    files = {"one/d/e/f": "f", "two/d": f"-> {outside}"}
    built = bench.build("FROM scratch\nCOPY --link one/ two/ /to/\n", files)
    assert (outside / "e").stat().st_mtime == 1000
    assert bench.files(built)["to/d"].kind == "l"
