"""Users are looked up in the container's files, which may be anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import InvalidArgument
from tests.engine.runtime.box import Box

pytestmark = pytest.mark.root


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "0 0 0"),
        ("0" * 5000, "0 0 0"),
        ("root", "0 0 0"),
        ("ann", "1000 1000 2 77 1000"),
        ("1000", "1000 1000 2 77 1000"),
        ("ann:", "1000 1000 2 77 1000"),
        ("1000:", "1000 1000 2 77 1000"),
        (":bin", "0 2 2"),
        (":55", "0 55 55"),
        (":", "0 0 0"),
        ("ann:bin", "1000 2 2"),
        ("ann:55", "1000 55 55"),
        ("4711", "4711 0 0"),
        ("4711:12", "4711 12 12"),
    ],
)
def test_users_and_groups_are_found_by_dockers_rules(box: Box, user: str, expected: str) -> None:
    out = box.sh("echo $(id -u) $(id -g) $(id -G)", user=user)
    uid, gid, *groups = expected.split()
    found_uid, found_gid, *found_groups = out.split()
    assert (found_uid, found_gid, sorted({*found_groups, found_gid})) == (uid, gid, sorted({*groups, gid}))


@pytest.mark.parametrize(
    ("user", "expected"), [("", [0]), ("ann", [2, 77, 1000]), ("ann:bin", [2]), ("4711:12", [12]), ("4711", [0])]
)
def test_the_group_of_ones_own_is_among_the_others(box: Box, user: str, expected: list[int]) -> None:
    """Else a program that changes its own group has left it (CVE-2022-36109); `id` doesn't tell them apart."""
    out = box.sh("grep ^Groups: /proc/self/status", user=user)
    assert [int(number) for number in out.split()[1:]] == expected


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobodyknows", "unable to find user nobodyknows: no matching entry in the image's /etc/passwd"),
        (":nogroup", "unable to find group nogroup: no matching entry in the image's /etc/group"),
        ("nobodyknows:", "unable to find user nobodyknows: no matching entry in the image's /etc/passwd"),
        ("ann:nogroup", "unable to find group nogroup: no matching entry in the image's /etc/group"),
        ("99999999999", "uids and gids must be from 0 to 2147483647, not 99999999999"),
        ("9" * 5000, f"uids and gids must be from 0 to 2147483647, not {'9' * 40}"),
    ],
)
def test_an_unknown_user_is_refused_with_its_name(box: Box, user: str, message: str) -> None:
    box.create("/bin/echo", user=user, collect=False)
    with pytest.raises(InvalidArgument) as caught:
        box.runtime.start(box.directory)
    assert caught.value.message == message
    assert not box.runtime.is_alive(box.directory)


def replace_passwd(box: Box) -> Path:
    """The place of the container's own /etc/passwd, which hides the image's."""
    (box.directory / "upper" / "etc").mkdir()
    return box.directory / "upper" / "etc" / "passwd"


def test_a_fifo_as_passwd_neither_blocks_nor_counts(box: Box) -> None:
    os.mkfifo(replace_passwd(box))
    box.create("/bin/echo", user="ann", collect=False)
    with pytest.raises(InvalidArgument, match="not a regular file"):
        box.runtime.start(box.directory)


def test_a_passwd_that_links_out_of_the_image_stays_inside(box: Box, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("eve:x:0:0::/:\n")
    replace_passwd(box).symlink_to(f"../../../../../..{tmp_path}/passwd")
    box.create("/bin/echo", user="eve", collect=False)
    with pytest.raises(InvalidArgument, match="unable to find user eve"):
        box.runtime.start(box.directory)


def test_a_passwd_that_links_to_another_file_of_the_image_is_followed(box: Box) -> None:
    replace_passwd(box).symlink_to("/usr/passwd")
    (box.directory / "upper" / "usr").mkdir()
    (box.directory / "upper" / "usr" / "passwd").write_text("eve:x:12:13::/:\n")
    assert box.sh("echo $(busybox id -u):$(busybox id -g)", user="eve") == "12:13\n"


def test_a_magic_link_as_passwd_is_not_followed(box: Box) -> None:
    replace_passwd(box).symlink_to("/proc/self/fd/3")
    box.create("/bin/echo", user="ann", collect=False)
    with pytest.raises(InvalidArgument, match="unable to find user ann"):
        box.runtime.start(box.directory)


def test_of_an_endless_passwd_only_the_beginning_is_read(box: Box) -> None:
    path = replace_passwd(box)
    with path.open("w") as file:
        file.truncate(1 << 34)
        file.seek(0)
        file.write("eve:x:12:13::/:\n")
    assert box.sh("busybox id -u", user="eve") == "12\n"
