"""The starter image works on the machine it was made from, and is the same each time."""

from __future__ import annotations

import subprocess

import pytest

from engine.errors import InvalidArgument
from engine.images import starter
from engine.images.elf import Linker
from engine.images.pull import host_platform
from tests.engine.images.conftest import Host

pytestmark = pytest.mark.root


def test_the_starter_image_runs_its_shell_and_tools(host: Host) -> None:
    told: list[str] = []
    image = host.images.create_starter(progress=lambda phase, _: told.append(phase))
    assert image.tags == ("portside/starter:latest",)
    assert image.config.cmd == ("/bin/sh",)
    assert (told[0], told[-1]) == ("gathering", "done")
    assert host.images.get("portside/starter") == image
    root = host.tree(image.chain_id)[0]
    script = "set -e; PATH=/usr/bin:/bin; id -un; seq 3 | tail -n 1; grep -c root /etc/passwd; ls /tmp"
    done = subprocess.run(
        ["/usr/sbin/chroot", root, *image.config.cmd, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    assert (done.stdout, done.stderr) == ("root\n3\n1\n", "")
    host.images.remove("portside/starter", uses=lambda _: [])
    assert host.is_empty


def test_the_same_machine_gives_the_same_image() -> None:
    first, second = (starter.build(starter.gather(), host_platform()) for _ in range(2))
    assert first == second


def test_no_file_of_the_starter_image_is_set_user_id(host: Host) -> None:
    image = host.images.create_starter("mine:1")
    found = subprocess.run(
        ["find", host.tree(image.chain_id)[0], "-perm", "/6000"], capture_output=True, text=True, check=True
    )
    assert found.stdout == ""


def test_a_starter_image_has_a_tag_not_a_digest(host: Host) -> None:
    with pytest.raises(InvalidArgument):
        host.images.create_starter("a@sha256:" + "0" * 64)


def test_every_tool_has_every_library_it_needs() -> None:
    tree, linker = starter.gather(), Linker()
    for path in tree.files.values():
        elf = linker.read(path)
        if elf is None:
            continue
        libraries = linker.libraries(path)
        names = {library.rpartition("/")[2] for library in libraries}
        assert names >= set(elf.needed) - {"linux-vdso.so.1"}, path
        present = {*tree.files, *tree.links}
        for library in libraries:
            assert starter.Tree().add(library).lstrip("/") in present, library
