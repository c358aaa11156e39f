"""--volume, --mount and --volumes-from as Docker reads them."""

from __future__ import annotations

import pytest

from engine.containers.spec import ContainerSpec
from engine.errors import EngineError, InvalidArgument
from engine.options import checking, loosening, mounts, volume_options
from engine.options.mounts import BIND, IMAGE, TMPFS, VOLUME, Mount


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/data", Mount(kind=VOLUME, target="/data")),
        ("db:/var//lib/./db/", Mount(kind=VOLUME, source="db", target="/var/lib/db")),
        ("db:/x:ro,nocopy,z", Mount(kind=VOLUME, source="db", target="/x", read_only=True, copies=False)),
        ("/srv/:/x", Mount(kind=BIND, source="/srv", target="/x", creates=True, copies=False)),
        ("/srv:/x:ro,rslave", Mount(kind=BIND, source="/srv", target="/x", creates=True, copies=False,
                                    read_only=True, propagation="rslave")),
    ],
)  # fmt: skip
def test_a_volume_is_read(text: str, wanted: Mount) -> None:
    assert mounts.volume(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("source=db,target=/x", Mount(kind=VOLUME, source="db", target="/x")),
        ("type=volume,dst=/x,volume-nocopy", Mount(kind=VOLUME, target="/x", copies=False)),
        ("type=volume,src=db,dst=/x,volume-subpath=a/b,readonly=true",
         Mount(kind=VOLUME, source="db", target="/x", subpath="a/b", read_only=True)),
        ('type=volume,dst=/x,volume-opt=type=tmpfs,"volume-opt=o=size=1m,mode=700",volume-label=a=b',
         Mount(kind=VOLUME, target="/x", driver_opts={"type": "tmpfs", "o": "size=1m,mode=700"}, labels={"a": "b"})),
        ("type=bind,source=/srv,target=/x,bind-recursive=writable,ro",
         Mount(kind=BIND, source="/srv", target="/x", copies=False, recursive="writable", read_only=True)),
        ("type=bind,source=/srv,target=/x,bind-propagation=rshared,bind-create-src",
         Mount(kind=BIND, source="/srv", target="/x", copies=False, propagation="rshared", creates=True)),
        ("type=tmpfs,target=/x,tmpfs-size=64m,tmpfs-mode=700",
         Mount(kind=TMPFS, target="/x", copies=False, options=("size=64m", "mode=700"))),
        ("type=image,source=alpine:3,target=/x", Mount(kind=IMAGE, source="alpine:3", target="/x", copies=False)),
        (f"type=image,src=sha256:{'0' * 64},dst=/x/,image-subpath=usr/./bin,ro",
         Mount(kind=IMAGE, source=f"sha256:{'0' * 64}", target="/x", copies=False, subpath="usr/./bin",
               read_only=True)),
    ],
)  # fmt: skip
def test_a_mount_is_read(text: str, wanted: Mount) -> None:
    assert volume_options.mount(text) == wanted


@pytest.mark.parametrize("text", [
    "", ":/x", "db:", "db:x", "x:/y:zz", "a:/b:ro:c", "db:/", "db:/proc/x", "db:/x/../..", "../x:/y", "db:/x:rslave",
    "/srv:/x:nocopy", "a\0b:/x", "d:/x", "db:/x\0",
])  # fmt: skip
def test_what_is_no_volume_is_refused(text: str) -> None:
    with pytest.raises(EngineError):
        mounts.volume(text)


@pytest.mark.parametrize("text", [
    "", "type=volume", "type=bind,target=/x", "type=bind,source=x,target=/x", "type=npipe,source=a,target=/x",
    "type=tmpfs,source=a,target=/x", "type=tmpfs,target=/x,tmpfs-size=much", "type=what,target=/x",
    "type=bind,source=/a,target=/x,volume-nocopy", "source=a,target=/x", "source=db,target=/x,readonly=maybe",
    "source=db,target=/x,volume-subpath=../up", "source=db,target=/x,volume-subpath=/abs", "target=/x,volume-subpath=a",
    "source=db,target=/x,volume-driver=rexray", "source=db,target=/x,color=red", "target=/x,volume-opt=type=ext4",
    "type=bind,source=/a,target=/x,bind-propagation=all", 'target=/x,"', "target=/x\nsource=y",
    "type=image,target=/x", "type=image,source=A,target=/x", "type=image,source=a b,target=/x",
    "type=image,source=a,target=/x,image-subpath=../b", "type=image,source=a,target=/x,image-subpath=/b",
    "type=image,source=a,target=/x,image-subpath=" + "a" * 140_000,
    "type=image,source=a,target=/x,volume-subpath=b", "source=db,target=/x,image-subpath=b", "type=image,source=a",
])  # fmt: skip
def test_what_is_no_mount_is_refused(text: str) -> None:
    with pytest.raises(EngineError):
        volume_options.mount(text)


def test_the_images_that_are_mounted_are_told_in_their_canonical_form() -> None:
    texts = (
        "type=image,source=alpine,target=/a", "type=image,source=docker.io/library/alpine:latest,target=/b",
        "type=volume,source=alpine,target=/c", f"type=image,source=sha256:{'0' * 64},target=/d", "type=image,target=/x",
        "type=image,source=ghcr.io/we/app@sha256:" + "1" * 64 + ",target=/e",
    )  # fmt: skip
    assert mounts.images(texts) == [
        "docker.io/library/alpine:latest", f"sha256:{'0' * 64}", f"ghcr.io/we/app@sha256:{'1' * 64}",
    ]  # fmt: skip


def test_other_containers_are_named_with_what_may_be_done() -> None:
    assert mounts.volumes_from("db") == ("db", False)
    assert mounts.volumes_from("db:ro") == ("db", True)
    for text in ("", ":ro", "db:wo", "a b"):
        with pytest.raises(EngineError):
            mounts.volumes_from(text)


def spec(**changes: object) -> ContainerSpec:
    return ContainerSpec(**{"id": "0" * 64, "name": "c", "image": "busybox", **changes})  # type: ignore[arg-type]


def test_a_place_is_taken_once_and_the_wrong_driver_is_told() -> None:
    asked = spec(
        volumes=("a1:/x", "b1:/x/"), mounts=("type=tmpfs,target=/y", "source=c1,target=/x"), tmpfs=("/y",),
        volume_driver="rexray",
    )  # fmt: skip
    assert {name for name, _ in checking.problems(asked)} == {"volumes", "mounts", "volume_driver"}
    assert list(checking.problems(spec(volumes=("a1:/x", "a1:/y"), mounts=("source=c1,target=/z",)))) == []


def test_the_hosts_own_files_need_a_right_and_are_shown() -> None:
    asked = spec(
        volumes=("/srv:/x", "data:/y"),
        mounts=("type=bind,source=/opt,target=/o",
                'target=/z,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/etc',
                "target=/m,volume-opt=type=tmpfs,volume-opt=device=tmpfs"),
    )  # fmt: skip
    told = ["the host's /srv", "the host's /opt", "the host's /etc"]
    assert [what for _, what in loosening.needing_a_right(asked)] == told
    assert [word for word in loosening.loosened(asked) if "host's /" in word] == told
    assert loosening.needing_a_right(spec(volumes=("data:/y", "/anonymous"))) == []


def test_a_volumes_directory_may_be_opened_from_another_one() -> None:
    wish = {"type": "none", "o": "bind,ro", "device": "/srv/team/data"}
    rooted = volume_options.beneath(wish, "/srv/team")
    assert rooted == {**wish, "o": "bind,ro,beneath=/srv/team"} == volume_options.beneath(rooted, "/srv/team")
    kind = volume_options.read(rooted)
    assert (kind.device, kind.root, kind.options) == ("/srv/team/data", "/srv/team", ("ro",))
    assert volume_options.read(wish).root == ""
    for device in ("/srv/teammate", "/srv/team/../other"):
        with pytest.raises(InvalidArgument, match="does not lie beneath /srv/team"):
            volume_options.read({**rooted, "device": device})
    with pytest.raises(InvalidArgument, match="comma"):
        volume_options.beneath(wish, "/srv/a,b")


@pytest.mark.parametrize(
    "mode", ["ro,rw", "rw,ro", "ro,ro", "z,Z", "Z,ro,z", "nocopy,nocopy", "ro,rw,nocopy", "cached,delegated"]
)
def test_a_mode_that_contradicts_itself_is_refused(mode: str) -> None:
    with pytest.raises(InvalidArgument, match=f"invalid mode: {mode}: give "):
        mounts.volume(f"data:/x:{mode}")


def test_no_two_propagations_are_taken_and_each_kind_of_word_once() -> None:
    with pytest.raises(InvalidArgument, match="give rslave or shared"):
        mounts.volume("/srv:/x:rslave,shared")
    with pytest.raises(InvalidArgument, match="give ro or rw"):
        mounts.volumes_from("other:ro,rw")
    found = mounts.volume("/srv:/x:ro,z,rslave,cached")
    assert (found.read_only, found.propagation) == (True, "rslave")
    assert not mounts.volume("data:/x:rw,nocopy,Z").copies


def test_a_volume_given_as_a_mount_is_told_how_one_is_given() -> None:
    with pytest.raises(InvalidArgument, match="no field of a mount; give such as type=volume,source=data,target=/data"):
        mounts.mount("data:/data")
