"""Contexts that come as streams, and hostile ones."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from engine.build.context import Context
from engine.build.spec import BuildSpec
from engine.errors import EngineError, InvalidArgument, NotFound
from tests.support.builds import Workbench, fill

pytestmark = pytest.mark.root

FILES = {
    "Dockerfile": "FROM scratch\nCOPY . /\n",
    ".dockerignore": "Dockerfile\n.dockerignore\n",
    "d/a": "A",
    "l": "-> d/a",
}


def tar_of(directory: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(directory, ".")
    return out.getvalue()


def zip_of(directory: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(directory.rglob("*")):
            name = str(path.relative_to(directory))
            if path.is_symlink():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o120777 << 16
                archive.writestr(entry, str(path.readlink()))
            else:
                archive.write(path, name)
    return out.getvalue()


def received(bench: Workbench, data: bytes, **spec: object) -> set[str]:
    with bench.engine.builder.receive(io.BytesIO(data)) as context:
        result = bench.engine.builder.build(BuildSpec(**spec), context)  # type: ignore[arg-type]
    return set(bench.files(result.image_id))


@pytest.mark.parametrize("kind", ["tar", "gzip", "zstd", "zip"])
def test_a_context_as_a_stream(bench: Workbench, tmp_path: Path, kind: str) -> None:
    fill(tmp_path, FILES)
    data = zip_of(tmp_path) if kind == "zip" else tar_of(tmp_path)
    data = {"gzip": gzip.compress, "zstd": zstandard.compress}.get(kind, bytes)(data)
    assert received(bench, data, team=kind) == {"d", "d/a", "l"}
    assert not list((bench.engine.config.snapshots / "staging").iterdir())


def test_a_stream_and_a_directory_are_the_same_to_the_cache(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, FILES)
    with Context.from_directory(tmp_path) as context:
        first = bench.engine.builder.build(BuildSpec(team="both"), context)
    with bench.engine.builder.receive(io.BytesIO(tar_of(tmp_path))) as context:
        second = bench.engine.builder.build(BuildSpec(team="both"), context)
    assert first.image_id == second.image_id


def test_a_dockerfile_alone(bench: Workbench) -> None:
    text = bench.text("FROM tiny\nRUN echo x > /x\n").encode()
    assert "x" in received(bench, text)


def test_a_dockerfile_of_another_name_and_its_own_ignore_file(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {**FILES, "sub/Other": FILES["Dockerfile"], "sub/Other.dockerignore": "sub\nd\nDockerfile\n"})
    assert received(bench, tar_of(tmp_path), dockerfile="sub/Other") == {".dockerignore", "l"}


def test_no_dockerfile(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {"Dockerfil": "FROM scratch\n"})
    with pytest.raises(NotFound) as raised, Context.from_directory(tmp_path) as context:
        bench.engine.builder.build(BuildSpec(), context)
    assert raised.value.detail["near"] == ["Dockerfil"]


def member(name: str, **fields: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(found, key, value)
    return found


@pytest.mark.parametrize(
    "members",
    [
        [member("../up", size=1)],
        [member("l", type=tarfile.SYMTYPE, linkname="/etc"), member("l/../../up", size=1)],
        [member("h", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
        [member("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0)],
    ],
    ids=["climbs", "climbs by a link", "hard link to the host", "a disk"],
)
def test_hostile_archives_are_refused_and_leave_nothing(bench: Workbench, members: list[tarfile.TarInfo]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for one in members:
            archive.addfile(one, io.BytesIO(b"x" * one.size))
    with pytest.raises(EngineError):
        bench.engine.builder.receive(io.BytesIO(out.getvalue()))
    assert not list((bench.engine.config.snapshots / "staging").iterdir())


@pytest.mark.parametrize("data", [b"", b"\0\1\2 not an archive", b"PK\x03\x04broken", gzip.compress(b"x" * 2000)])
def test_what_is_no_context(bench: Workbench, data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        bench.engine.builder.receive(io.BytesIO(data))


def test_a_link_of_an_archive_leads_nowhere_outside(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY out/passwd /\n")
    (tmp_path / "out").symlink_to("/etc")
    with pytest.raises(NotFound):
        received(bench, tar_of(tmp_path))


def test_contexts_with_a_name(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {"f": "from the other"})
    with Context.from_directory(tmp_path) as other, Context.from_directory(tmp_path) as main:
        spec = BuildSpec(
            dockerfile_text="FROM base AS b\nFROM scratch\nCOPY --from=other f /\nCOPY --from=b /etc/passwd /\n",
            named_contexts={"base": f"docker-image://{bench.image}"},
        )
        result = bench.engine.builder.build(spec, main, contexts={"other": other})
    assert set(bench.files(result.image_id)) == {"f", "passwd"}


def zip_with(entry: zipfile.ZipInfo, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def test_a_zip_that_is_a_bomb_is_refused_before_it_is_unpacked(bench: Workbench) -> None:
    data = zip_with(zipfile.ZipInfo("d/zeros"), b"\0" * 20_000_000)
    claimed = (20_000_000).to_bytes(4, "little")
    assert data.count(claimed) == 2
    with pytest.raises(InvalidArgument, match=r"bomb|disk"):
        bench.engine.builder.receive(io.BytesIO(data.replace(claimed, (4_000_000_000).to_bytes(4, "little"))))


def test_a_zip_that_holds_more_than_it_says_is_refused(bench: Workbench) -> None:
    data = zip_with(zipfile.ZipInfo("zeros"), b"\0" * 5_000_000)
    with pytest.raises(InvalidArgument, match="zip"):
        bench.engine.builder.receive(io.BytesIO(data.replace((5_000_000).to_bytes(4, "little"), b"\1\0\0\0")))


def test_a_damaged_zip_is_told_so(bench: Workbench) -> None:
    data = bytearray(zip_with(zipfile.ZipInfo("f"), bytes(range(256)) * 100))
    data[40:60] = b"\xff" * 20
    with pytest.raises(InvalidArgument, match="zip"):
        bench.engine.builder.receive(io.BytesIO(bytes(data)))
