"""`python -m engine build --check`: without rights, home or network."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.__main__ import main


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTSIDE_HOME", str(tmp_path / "nobody-makes-it"))
    return tmp_path


def test_what_is_likely_wrong_is_shown_with_its_line(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "Dockerfile").write_text("FROM a AS x\nENV VERSION=1\nWORKDIR /$VERSOIN\nCOPY notes.md /\n")
    (directory / ".dockerignore").write_text("*.md\n")
    assert main(["build", "--check", "."]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Dockerfile:3:10: UndefinedVar: $VERSOIN has no value here (did you mean $VERSION?)",
        "",
        "   1 | FROM a AS x",
        "   2 | ENV VERSION=1",
        " > 3 | WORKDIR /$VERSOIN",
        "     |          ^^^^^^^^",
        "   4 | COPY notes.md /",
        "",
        "Dockerfile:4:6: CopyIgnoredFile: .dockerignore leaves notes.md out of the context",
        "",
        "   2 | ENV VERSION=1",
        "   3 | WORKDIR /$VERSOIN",
        " > 4 | COPY notes.md /",
        "     |      ^^^^^^^^",
        "",
        "Dockerfile: 2 warnings",
    ]
    assert not (directory / "nobody-makes-it").exists()


def test_an_error_is_shown_too(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "# check=error=true\nFROM a\nCMD x\n"
    for given, said in (
        ("FROM a\nRNU x\n", "error: Dockerfile:2:1: there is no instruction 'RNU'"),
        (text, "forbids it"),
    ):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(given.encode())))
        assert main(["build", "--check", "-f", "-", "."]) == 1
        assert said in capsys.readouterr().out


def test_arguments_are_taken(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "web.Dockerfile").write_text('ARG base\nFROM ${base:?give}\nUSER ${who:?name it}\nCMD ["x"]\n')
    (directory / "web.Dockerfile.dockerignore").write_text("[\n")
    assert main(["build", "--check", "-f", "web.Dockerfile", "."]) == 1
    assert "error: web.Dockerfile.dockerignore:1:1: a [ is not closed" in capsys.readouterr().out
    (directory / "web.Dockerfile.dockerignore").unlink()
    monkeypatch.setenv("base", "alpine")
    assert main(["build", "--check", "-f", "web.Dockerfile", "--build-arg", "base", "."]) == 1
    assert "error: web.Dockerfile:3:1: who: name it" in capsys.readouterr().out


def test_nothing_is_wrong(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "Dockerfile").write_text('FROM alpine\nCMD ["x"]\n')
    assert main(["build", "--check", "--platform", "linux/arm64", str(directory)]) == 0
    assert capsys.readouterr().out == f"{directory}/Dockerfile: nothing to tell\n"
    assert main(["build", "--check", "-f", "missing", "."]) == 125
    assert "missing is not there" in capsys.readouterr().err
