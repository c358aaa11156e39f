"""`python -m engine volume` by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.__main__ import main


def test_volumes_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PORTSIDE_HOME", str(tmp_path))

    def said(*words: str, code: int = 0) -> str:
        assert main(["volume", *words]) == code
        out, err = capsys.readouterr()
        return out if code == 0 else err

    assert said("create", "--label", "a=b", "-o", "type=tmpfs", "-o", "device=tmpfs", "data") == "data\n"
    unnamed = said("create").strip()
    assert said("ls").split() == [word for name in sorted(("data", unnamed)) for word in ("local", name)]
    (shown,) = json.loads(said("inspect", "data"))
    assert (shown["labels"], shown["driver_opts"]["type"], shown["used_by"]) == ({"a": "b"}, "tmpfs", [])
    assert said("prune").splitlines()[0] == unnamed
    assert said("rm", "data") == "data\n"
    assert "no volume data" in said("rm", "data", code=125)


@pytest.mark.root
def test_copies_and_limits_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORTSIDE_HOME", str(tmp_path / "home"))

    def said(*words: str) -> str:
        assert main(["volume", *words]) == 0
        return capsys.readouterr().out.strip()

    (tmp_path / "backups").mkdir()
    file = str(tmp_path / "backups" / "data.tar.zst")
    said("create", "data")
    assert said("limit", "data", "1m") in ("it is looked at now and then", "the kernel refuses what is beyond it")
    assert said("limit", "data", "none") == "it has no limit"
    assert said("measure", "data") == "0 bytes, 0 files"
    assert said("snapshot", "data", "before") == "before"
    assert said("revert", "data", "before") == "data"
    assert said("snapshot-rm", "data", "before") == "before"
    assert "sha256:" in said("backup", "data", file)
    assert said("restore", "back", file) == "back"
    assert said("clone", "data", "copy", "--pause") == "copy"
    assert said("rename", "data", "files") == "files"
