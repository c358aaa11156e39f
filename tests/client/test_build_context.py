"""A folder for builds: what goes along, and as what."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from client import InvalidArgument
from client.build_context import ContextFiles


def names(directory: Path, dockerfile: str = "Dockerfile") -> list[str]:
    return [path for path, _ in ContextFiles(directory, dockerfile).names()]


def test_the_rules_leave_out_what_they_name_but_never_what_the_host_reads(tmp_path: Path) -> None:
    for name in ("Dockerfile", "a.log", "src/main.py", "src/deep/x.log", "kept/x", "kept/y", "other/z"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / ".dockerignore").write_text("**/*.log\nkept\n!kept/y\nother\nDockerfile\n")
    assert names(tmp_path) == [".dockerignore", "Dockerfile", "kept/y", "src", "src/deep", "src/main.py"]
    (tmp_path / "Dockerfile.dockerignore").write_text("src\n")
    assert "other/z" in names(tmp_path)
    assert "src" not in names(tmp_path)


def test_a_dockerfile_in_a_folder_that_is_left_out_goes_along(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "build" / "junk").write_text("")
    (tmp_path / ".dockerignore").write_text("build\n")
    assert names(tmp_path, "build/Dockerfile") == [".dockerignore", "build/Dockerfile"]


def test_the_tar_has_modes_links_and_content_but_no_owners(tmp_path: Path) -> None:
    long = "n" * 150
    (tmp_path / "program").write_bytes(b"x" * 1_500_000)
    (tmp_path / "program").chmod(0o755)
    (tmp_path / long).write_text("long")
    (tmp_path / "ümlaut").write_text("")
    (tmp_path / "link").symlink_to("../outside")
    os.mkfifo(tmp_path / "pipe")
    data = b"".join(ContextFiles(tmp_path).tar())
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        members = {member.name: member for member in tar}
        assert set(members) == {"program", long, "ümlaut", "link"}
        assert (members["program"].mode, members["program"].uid, members["program"].uname) == (0o755, 0, "")
        assert members["link"].linkname == "../outside"
        content = tar.extractfile("program")
        assert content is not None
        assert content.read() == b"x" * 1_500_000


def test_what_is_no_folder_or_no_rule_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="no folder"):
        ContextFiles(tmp_path / "nothing")
    (tmp_path / ".dockerignore").write_text("[")
    with pytest.raises(InvalidArgument, match=r"\.dockerignore"):
        ContextFiles(tmp_path)


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    tar = ContextFiles(tmp_path).tar()
    next(tar)
    (tmp_path / "a").write_bytes(b"12")
    with pytest.raises(InvalidArgument, match="shorter"):
        list(tar)
