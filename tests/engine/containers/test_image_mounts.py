"""Images that are mounted into real containers (--mount type=image): what is seen, written, and how long they stay."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from engine.errors import Conflict, EngineError, InvalidArgument, NotFound, PermissionDenied
from engine.facade import Engine
from engine.oci import signing
from engine.oci.reference import Reference
from engine.options.admission import Admission
from tests.support.builds import Workbench
from tests.support.engine import Host
from tests.support.oci_layout import Layout, directory, member, symlink, tar_of
from tests.support.processes import eventually
from tests.support.registry import PASSWORD, USERNAME
from worker.context import Context

pytestmark = [pytest.mark.root, pytest.mark.registry]

TOOL = b"#!/bin/sh\necho a tool\n"
TREE = (
    directory("bin"),
    member("bin/tool", TOOL, mode=0o755),
    member("owned", b"mine\n", uid=1000, gid=1001, mode=0o640),
    symlink("inner", "/bin"),
    symlink("out", "/etc"),
    symlink("circle", "circle"),
    symlink("magic", "/proc/self/root"),
    symlink("dangling", "/none"),
)


def said(host: Host, script: str, *mounts: str, **options: Any) -> str:
    record = host.run("sh", "-c", f"exec 2>&1; {script}", mounts=mounts, **options)
    host.ended(record.id)
    return host.log(record.id).decode()


def imported(host: Host, name: str, tree: tuple[Any, ...] = TREE, *more: tuple[Any, bytes]) -> str:
    """The id of an image of one layer."""
    with tempfile.TemporaryFile() as file:
        file.write(tar_of((*tree, *more)))
        file.seek(0)
        return host.engine.images.import_(file.fileno(), name).id


@pytest.fixture
def tools(tidy_host: Host) -> str:
    """An image of one layer, new for each test."""
    name = f"tools:{secrets.token_hex(4)}"
    imported(tidy_host, name, TREE, member("which", name.encode()))
    return name


def layers_of(host: Host, image: str) -> list[Path]:
    snapshots = host.engine.builder._snapshots
    return [snapshots.layer_directory(diff_id) for diff_id in host.engine.images.get(image).diff_ids]


def all_files(root: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (found.st_mode, found.st_size, found.st_mtime_ns)
        for path in sorted(root.rglob("*"))
        for found in (path.lstat(),)
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"userns": "host"}, {"privileged": True, "userns": "host"}],
    ids=["own users", "the host's users", "privileged"],
)
def test_its_files_are_seen_by_their_users_and_nobody_writes_to_them(
    tidy_host: Host, tools: str, options: dict[str, Any]
) -> None:
    (layer,) = layers_of(tidy_host, tools)
    before = all_files(layer)
    text = said(
        tidy_host,
        "/t/bin/tool; stat -c '%u %g %a' /t/owned /t; for way in 'touch /t/new' 'rm /t/which' 'chmod 7 /t/owned' "
        "'mkdir /t/bin/d'; do $way && echo WRITTEN; done; mount -o remount,rw /t && echo REMOUNTED; "
        "mount -o remount,rw,bind /t; echo x > /t/which && echo WRITTEN; true",
        f"type=image,source={tools},target=/t",
        **options,
    )
    assert text.startswith("a tool\n1000 1001 640\n0 0 755\n")
    assert text.count("Read-only file system") >= 5, text
    assert "WRITTEN" not in text and "REMOUNTED" not in text
    assert all_files(layer) == before


def test_layers_lie_on_one_another_and_what_is_deleted_is_not_seen(tidy_host: Host) -> None:
    Workbench(tidy_host.engine, tidy_host.image).build(
        "FROM tiny\nRUN mkdir /kept /anew && echo one > /kept/file && echo lower > /both && echo old > /anew/old\n"
        "RUN rm /kept/file && echo upper > /both && rm -r /anew && mkdir /anew && echo new > /anew/new\n",
        tags=("stacked:1",),
    )
    text = said(
        tidy_host, "ls -A /t/kept; cat /t/both; ls /t/anew; /t/bin/busybox true && echo ran",
        "type=image,source=stacked:1,target=/t",
    )  # fmt: skip
    assert text == "upper\nnew\nran\n"


def test_one_of_no_layers_is_an_empty_directory(tidy_host: Host) -> None:
    Workbench(tidy_host.engine, tidy_host.image).build("FROM scratch\nLABEL a=b\n", tags=("nothing:1",))
    for userns in ("auto", "host"):
        text = said(
            tidy_host, "ls -A /t; stat -c '%u %F' /t; touch /t/x", "type=image,source=nothing:1,target=/t",
            userns=userns,
        )  # fmt: skip
        assert text.startswith("0 directory\n") and "Read-only" in text


def test_a_part_of_it_is_mounted_alone_and_one_image_twice(tidy_host: Host, tools: str) -> None:
    text = said(
        tidy_host,
        "ls /b /i; /usr/local/bin/tool; ls -A /t | head -1; touch /b/x",
        f"type=image,source={tools},target=/b,image-subpath=bin",
        f"type=image,source={tools},target=/i,image-subpath=inner/.",
        f"type=image,source={tools},target=/usr/local/bin/tool,image-subpath=bin/tool",
        f"type=image,src={tools},dst=/t,readonly",
    )
    assert text.startswith("/b:\ntool\n\n/i:\ntool\na tool\nbin\n")
    assert "Read-only" in text
    (record,) = tidy_host.engine.container_list()
    shown = {mount["destination"]: mount for mount in record.as_state()["mounts"]}
    assert shown["/b"] == {
        "type": "image", "destination": "/b", "name": tools, "source": tidy_host.engine.images.get(tools).id,
        "read_only": True, "propagation": "rprivate", "driver": "", "subpath": "bin",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("subpath", "family", "why"),
    [
        ("none", NotFound, "no none in the image"),
        ("bin/none/x", NotFound, "no bin/none/x"),
        ("bin/tool/x", NotFound, "no bin/tool/x"),
        ("dangling", NotFound, "no dangling"),
        ("out", NotFound, "no out"),  # /etc of the image, which it hasn't; and not the host's
        ("out/passwd", NotFound, "no out/passwd"),
        ("magic/etc", NotFound, "no magic/etc"),
        ("circle", Conflict, "goes in circles"),
        ("x" * 5000, EngineError, "can't be opened"),
    ],
)
def test_a_part_that_it_has_not_fails_the_start_and_leaves_nothing(
    tidy_host: Host, tools: str, subpath: str, family: type[EngineError], why: str
) -> None:
    spec = tidy_host.spec("true", mounts=(f"type=image,source={tools},target=/t,image-subpath={subpath}",))
    tidy_host.engine.container_create(spec)
    with pytest.raises(family, match=why) as caught:
        tidy_host.engine.container_start(spec.id)
    assert tools in caught.value.message
    assert tidy_host.is_clean(spec.id)
    assert why in (tidy_host.engine.container_get(spec.id).error or "")


def test_every_way_up_ends_in_the_image(tidy_host: Host) -> None:
    """A build's step makes links as it likes; layers that come from elsewhere have none that lead out."""
    Workbench(tidy_host.engine, tidy_host.image).build(
        "FROM tiny\nRUN ln -s ../../../../../.. /up && mkdir -p /only/here && ln -s ../../../.. /only/up\n",
        tags=("climbing:1",),
    )
    for subpath, seen in (("up", "up"), ("up/up/only", "here"), ("only/up/only/./", "here")):
        asked = f"type=image,source=climbing:1,target=/t,image-subpath={subpath}"
        assert seen in said(tidy_host, "ls -A /t", asked).split(), subpath


@pytest.mark.parametrize("subpath", ["..", "../etc", "bin/../../etc", "/bin", ""])
def test_what_leaves_it_by_its_words_is_refused_before(tidy_host: Host, tools: str, subpath: str) -> None:
    with pytest.raises(InvalidArgument, match="image-subpath") as caught:
        tidy_host.engine.container_create(
            tidy_host.spec("true", mounts=(f"type=image,source={tools},target=/t,image-subpath={subpath}",))
        )
    assert caught.value.detail["field"] == "mounts"


def test_what_is_mounted_in_it_has_a_place_there_or_the_start_says_so(tidy_host: Host, tools: str) -> None:
    (layer,) = layers_of(tidy_host, tools)
    before = all_files(layer)
    image = f"type=image,source={tools},target=/t"
    text = said(tidy_host, "touch /t/bin/x && ls /t/bin", image, "type=tmpfs,target=/t/bin")
    assert text == "x\n"
    for more in ({"mounts": (image, "type=tmpfs,target=/t/sub")}, {"mounts": (image,), "workdir": "/t/sub"}):
        spec = tidy_host.spec("true", **more)
        tidy_host.engine.container_create(spec)
        with pytest.raises(InvalidArgument, match="/t/sub is not there and can't be made"):
            tidy_host.engine.container_start(spec.id)
        assert tidy_host.is_clean(spec.id)
    assert all_files(layer) == before


def test_it_is_no_volume_of_which_is_told(tidy_host: Host, tools: str) -> None:
    asked = (f"type=image,source={tools},target=/t", "type=volume,source=seen,target=/v")
    tidy_host.ended(tidy_host.run("true", mounts=asked).id)

    def told() -> list[str]:
        entries = tidy_host.engine.journal.read(0, limit=1000)
        return [one.subject for one in entries if one.attributes.get("type") == "volume"]

    eventually(lambda: told().count("seen") == 2, what="news of the volume")
    assert set(told()) == {"seen"}


def test_a_file_does_not_cover_a_directory(tidy_host: Host, tools: str) -> None:
    with pytest.raises(EngineError):
        tidy_host.run("true", mounts=(f"type=image,source={tools},target=/etc,image-subpath=bin/tool",))


def test_what_it_stood_for_at_the_creation_is_mounted_until_the_container_goes(tidy_host: Host, tools: str) -> None:
    engine = tidy_host.engine
    asked = f"type=image,source={tools},target=/t"
    record = tidy_host.run("cat", "/t/which", mounts=(asked,))
    tidy_host.ended(record.id)
    first = engine.images.get(tools).id
    second = imported(tidy_host, tools, TREE, member("which", b"another"))  # the name moves on
    assert first != second
    assert said(tidy_host, "cat /t/which", asked) == "another"
    using = engine.containers.using_images()
    assert [use.container for use in using(first)] == [record.name]
    engine.image_prune(all=True)
    assert engine.images.get(first).id == first, "the container has it"
    with pytest.raises(Conflict, match=record.name):
        engine.image_remove(first)
    (layer,) = layers_of(tidy_host, first)
    engine.image_remove(first, force=True)  # it rests, so by force the image goes; as with Docker its layers stay
    again = Engine(tidy_host.home.config)  # another worker
    again.images.recover()
    again.reconcile()
    assert layer.exists()
    again.container_start(record.id)
    tidy_host.ended(record.id)
    assert tidy_host.log(record.id).decode() == tools * 2
    engine.container_remove(record.id)
    engine.image_prune(all=True)
    assert not layer.exists(), "nobody needs it any more"
    rows = engine.store.connection().execute("SELECT key FROM mounted_chain WHERE key = ?", (record.id,)).fetchall()
    assert rows == []


def test_one_that_a_running_container_has_mounted_stays_even_by_force(tidy_host: Host, tools: str) -> None:
    record = tidy_host.run("sleep", "600", mounts=(f"type=image,source={tools},target=/t",))
    image = tidy_host.engine.images.get(tools)
    with pytest.raises(Conflict, match="only name of an image that is used by"):
        tidy_host.engine.image_remove(tools)
    with pytest.raises(Conflict, match=f"{record.name} is using it") as caught:
        tidy_host.engine.image_remove(image.id, force=True)
    assert caught.value.detail["containers"] == [record.name]
    usage = {one.id: one.containers for one in tidy_host.engine.disk_usage().images}
    assert usage[image.id] == 1
    assert tidy_host.engine.images.fsck().damaged == ()
    assert [use.container for use in _standing(tidy_host, image.diff_ids[0])] == [record.name]


def _standing(host: Host, diff_id: str) -> list[Any]:
    uses = host.engine.containers.uses()
    return [uses[key] for key in host.engine.builder._snapshots.standing_on(diff_id)]


def test_it_survives_the_death_of_everything(tidy_host: Host, tools: str) -> None:
    """Of the process, of its monitor and the keeper with it, and of the launcher: the next run has the same."""
    asked = f"type=image,source={tools},target=/t"
    record = tidy_host.run("sh", "-c", "cat /t/which; sleep 600", mounts=(asked,), restart="always")
    tidy_host.says(record.id, tools.encode())
    imported(tidy_host, tools, TREE, member("which", b"another"))
    monitors = [int(line.split()[0]) for line in tidy_host.home.leaks(record.id).processes]
    for pid in (*tidy_host.helper_pids("engine.keeper"), *monitors):
        tidy_host.kill_hard(pid)
    tidy_host.kill_hard(tidy_host.engine.runtime.ensure_launcher())
    Engine(tidy_host.home.config).reconcile()
    eventually(lambda: tidy_host.log(record.id).count(tools.encode()) == 2, seconds=60, what="its second run")
    assert b"another" not in tidy_host.log(record.id)
    pid = tidy_host.engine.container_get(record.id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: tidy_host.log(record.id).count(tools.encode()) == 3, seconds=60, what="its third run")
    tidy_host.engine.container_remove(record.id, force=True)
    assert tidy_host.is_clean(record.id)


def test_a_missing_one_is_pulled_as_the_policy_has_it(tidy_host: Host, registry: Any, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    name = registry.push(layout.image([layout.layer(tar_of({"hello": b"from afar"}))]), "mounts/far")
    asked = f"type=image,source={name},target=/t"
    with pytest.raises(NotFound, match="mounts: ") as caught:
        tidy_host.engine.container_create(tidy_host.spec("true", mounts=(asked,), pull="never"))
    assert caught.value.detail["field"] == "mounts"
    assert tidy_host.engine.container_list() == []
    lines: list[str] = []
    spec = tidy_host.spec("cat", "/t/hello", mounts=(asked,))
    tidy_host.engine.container_create(spec, progress=lambda phase, _: lines.append(phase))
    tidy_host.engine.container_start(spec.id)
    tidy_host.ended(spec.id)
    assert tidy_host.log(spec.id) == b"from afar"
    assert lines, "a pull that nobody sees seems to hang"
    assert said(tidy_host, "cat /t/hello", asked, pull="never") == "from afar"
    with pytest.raises(EngineError, match="mounts: "):
        missing = f"type=image,source={registry.address}/mounts/none:1,target=/t"
        tidy_host.engine.container_create(tidy_host.spec("true", mounts=(missing,)))
    with pytest.raises(NotFound):  # an id is never looked for at a registry
        nowhere = f"type=image,source=sha256:{'0' * 64},target=/t"
        tidy_host.engine.container_create(tidy_host.spec("true", mounts=(nowhere,)))


def test_one_of_a_registry_that_wants_a_login_is_pulled_by_the_teams_own(tidy_host: Host, basic_registry: Any) -> None:
    asked = f"type=image,source={basic_registry.reference('tiny:latest')},target=/t"
    login = {"username": USERNAME, "password": PASSWORD}

    def create(known: dict[str, Any] | None) -> None:
        """As a job does it, whose own image is of a registry that wants nothing."""
        context = Context(tidy_host.engine, lambda *_: None, Event(), known)
        spec = tidy_host.spec("true", mounts=(asked,))
        admission = Admission(accesses=context.accesses)
        tidy_host.engine.container_create(spec, access=context.access, admission=admission)

    for known in (None, {"registries": {basic_registry.address: {**login, "password": "wrong"}}}):
        with pytest.raises(PermissionDenied, match="mounts: ") as caught:
            create(known)
        assert PASSWORD not in caught.value.message
    create({"registries": {basic_registry.address: login}})


def test_a_policy_is_asked_of_each_at_the_creation_and_at_every_start(tidy_host: Host, tools: str) -> None:
    private, public = signing.new_key()
    bench = Workbench(tidy_host.engine, tidy_host.image)
    bench.build("FROM tiny\nLABEL one=1\n", tags=("ours:1",), signing_key=private)
    bench.build("FROM tiny\nLABEL two=2\n", tags=("ours:2",), signing_key=private)
    signed = Admission(signed_by={"release": public})

    def create(*mounts: str, **options: Any) -> str:
        spec = tidy_host.spec("sleep", "600", image="ours:1", mounts=mounts, **options)
        tidy_host.engine.container_create(spec, admission=signed)
        return spec.id

    with pytest.raises(PermissionDenied, match=f"mounts: .*{tools.partition(':')[0]}") as caught:
        create(f"type=image,source={tools},target=/t")
    assert caught.value.detail["policy"] == "signed_images" and caught.value.detail["field"] == "mounts"
    free = tidy_host.spec("sleep", "600", image="ours:1", mounts=(f"type=image,source={tools},target=/t",))
    tidy_host.engine.container_create(free)
    with pytest.raises(PermissionDenied, match="volumes_from: "):
        create(volumes_from=(free.id,))
    with pytest.raises(PermissionDenied, match="no valid signature"):
        tidy_host.engine.container_start(free.id, admission=signed)
    container = create("type=image,source=ours:2,target=/t")
    tidy_host.engine.container_start(container, admission=signed)
    tidy_host.engine.container_stop(container, 0)
    image = tidy_host.engine.images.get("ours:2").id
    with tidy_host.engine.store.transaction() as connection:
        connection.execute("DELETE FROM image_attachment WHERE image = ?", (image,))
    with pytest.raises(PermissionDenied, match="no valid signature"):  # also when the host starts it by itself
        tidy_host.engine.container_start(container)
    origin = Admission(allowed_images=(Reference.parse(tidy_host.image).name,))
    spec = tidy_host.spec("true", mounts=(f"type=image,source={tools},target=/t",))
    with pytest.raises(PermissionDenied, match="neither pulled from there"):
        tidy_host.engine.container_create(spec, admission=origin)


def test_those_of_another_container_are_taken_over_and_held(tidy_host: Host, tools: str) -> None:
    first = tidy_host.run("true", mounts=(f"type=image,source={tools},target=/t,image-subpath=bin",))
    tidy_host.ended(first.id)
    spec = tidy_host.spec("/t/tool", volumes_from=(first.name,))
    tidy_host.engine.container_create(spec)
    tidy_host.engine.container_remove(first.id)
    with pytest.raises(Conflict, match=spec.name):
        tidy_host.engine.image_remove(tools)
    tidy_host.engine.image_remove(tools, force=True)
    tidy_host.engine.container_start(spec.id)
    tidy_host.ended(spec.id)
    assert tidy_host.log(spec.id) == b"a tool\n"


def test_another_runtime_shows_the_same(tidy_host: Host, tools: str) -> None:
    installed = [fact["name"] for fact in tidy_host.engine.runtime.installed.facts() if not fact.get("problem")]
    runtime = next((name for name in ("crun", "runc") if name in installed), None)
    if runtime is None:
        pytest.skip("neither crun nor runc is installed")
    text = said(
        tidy_host,
        "/t/bin/tool; /b/tool; stat -c %u /t/owned; touch /t/x",
        f"type=image,source={tools},target=/t",
        f"type=image,source={tools},target=/b,image-subpath=inner",
        runtime=runtime,
    )
    assert text.startswith("a tool\na tool\n1000\n") and "Read-only" in text
