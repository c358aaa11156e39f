"""`python -m engine build`: the words of docker's, and what is shown."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from engine import build_command
from engine.__main__ import main
from engine.build import ssh_keys
from engine.build.events import BuildEvent, Vertex
from tests.support.builds import Workbench, fill
from tests.support.registry import Registry

pytestmark = pytest.mark.root


@pytest.fixture
def context(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PORTSIDE_HOME", str(bench.engine.config.home))
    text = bench.text("FROM tiny AS one\nARG A\nRUN echo $A > /a; echo seen\nFROM one\nRUN echo last words; exit 5\n")
    fill(tmp_path, {"Dockerfile": text, "word": "secret"})
    return tmp_path


def test_it_builds_and_tells(bench: Workbench, context: Path, capsys: pytest.CaptureFixture[str]) -> None:
    iid = context / "iid"
    words = ["--target", "one", "--build-arg", "A=given", "--secret", f"id=w,src={context}/word", "--label", "l=1"]
    assert main(["build", "-t", "by-hand", *words, "--iidfile", str(iid), str(context)]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == iid.read_text() == bench.engine.images.get("by-hand").id
    assert "RUN echo $A > /a" in shown.err
    assert "#0.1 seen" in shown.err
    assert bench.files("by-hand")["a"].content == b"given\n"
    assert bench.engine.images.get("by-hand").config.labels["l"] == "1"


def test_keys_of_an_agent_are_read_from_files(context: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (context / "Dockerfile").write_text(
        (context / "Dockerfile").read_text().split("\n")[0]
        + "\nRUN --mount=type=ssh,id=deploy,required test -S /run/b*/*\n"
    )
    (context / "key").write_text(ssh_keys.new_key())
    assert main(["build", "-q", "--ssh", f"deploy={context}/key,{context}/key", str(context)]) == 0
    for wrong, words in (("deploy", "write --ssh deploy=PATH"), (f"deploy={context}/none", "can't be read")):
        capsys.readouterr()
        assert main(["build", "-q", "--ssh", wrong, str(context)]) != 0
        assert words in capsys.readouterr().err


def test_a_failing_step_gives_its_exit_code(context: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "-q", str(context)]) == 5
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "last words" in shown.err
    assert "Dockerfile:5:1" in shown.err


def test_the_cache_is_looked_at_and_pruned(context: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "-q", "--target", "one", str(context)]) == 0
    assert main(["builder", "du"]) == 0
    assert "RUN |1 A=" in capsys.readouterr().out
    assert main(["builder", "prune", "--unused-for", "1000"]) == 0
    assert "deleted 0 steps" in capsys.readouterr().out


def test_a_terminal_is_redrawn_and_nothing_moves_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    shown = build_command._Live(out)
    vertex = Vertex("0.1", "RUN evil\x1b[2J", "")
    shown.take(BuildEvent(vertex=vertex, state="started", started_at=1.0))
    shown.take(BuildEvent(vertex=vertex, state="started", started_at=1.0, log=b"line\x1b]0;title\x07\n"))
    shown.take(BuildEvent(vertex=vertex, state="done", started_at=1.0, seconds=2.0))
    shown.close()
    text = out.getvalue()
    assert "✓ RUN evil [2J 2.0s" in text
    assert "\x1b[2J" not in text
    assert "\x1b]" not in text


def test_what_comes_out_is_said_as_docker_has_it(
    bench: Workbench, context: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["-q", "--target", "one", "-t", "words:1", str(context)]
    place = tmp_path / "files"
    assert main(["build", "-o", str(place), "--output", f"type=oci,dest={tmp_path}/image.tar", *words]) == 0
    assert (place / "a").is_file()
    assert tarfile.is_tarfile(tmp_path / "image.tar")
    capfd.readouterr()
    assert main(["build", "-o", "type=tar", *words]) == 0
    assert capfd.readouterr().out.startswith("a\0")
    assert main(["build", "-o", "type=zip,dest=x", *words]) == 125
    assert "there is no type 'zip'" in capfd.readouterr().err
    assert main(["build", "--push", *words[:3], str(context)]) == 125
    assert "give the image a name" in capfd.readouterr().err


def test_caches_are_named_as_docker_has_it(
    bench: Workbench, context: Path, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{registry.address}/words-cache:latest"
    words = ["--target", "one", str(context)]
    assert main(["build", "--cache-to", f"type=registry,ref={name},mode=max", "--cache-to", "type=inline", *words]) == 0
    assert "export the cache to" in capsys.readouterr().err
    assert main(["build", "--cache-from", name, *words]) == 0
    assert "look into the cache" in capsys.readouterr().err
    for wrong in (["--cache-from", "type=inline"], ["--cache-to", "type=gha"], ["--cache-to", "type=registry"]):
        assert main(["build", *wrong, *words]) == 125
