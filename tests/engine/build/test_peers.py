"""The same Dockerfiles by docker's classic builder (or buildah) and by us: files and configuration compared.

It takes a minute or two, so it is asked for: PORTSIDE_BESIDE_DOCKER=1. What differs by intent stands in `IGNORED`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.builds import Content, File, Workbench, fill
from tests.support.dockerd import Docker, running_docker

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.environ.get("PORTSIDE_BESIDE_DOCKER") != "1", reason="PORTSIDE_BESIDE_DOCKER=1 asks for it"),
]

FILES: dict[str, Content] = {
    "a.txt": "A\n",
    "b.txt": "B\n",
    "dir/inner.txt": "inner\n",
    "dir/deep/er.txt": "deeper\n",
    "dir/link": "-> inner.txt",
    "link": "-> a.txt",
    "empty": None,
    "odd name/with space": "x",
    ".dockerignore": "*.secret\n**/*.tmp\n!keep.tmp\n",
    "my.secret": "s",
    "dir/x.tmp": "t",
    "keep.tmp": "k",
}
CASES = {
    "copy all": "COPY . /all",
    "copy dir": "COPY dir /d",
    "copy dir slash": "COPY dir/ /d/",
    "copy into existing": "RUN mkdir -m 711 /d && chown 5:6 /d\nCOPY dir /d",
    "copy over files": "RUN mkdir /d && echo old > /d/inner.txt && chmod 600 /d/inner.txt\nCOPY dir/ /d/",
    "copy wildcard": "COPY *.txt /t/",
    "copy several": "COPY a.txt b.txt dir /t/",
    "copy json": 'COPY ["odd name/with space", "/s/"]',
    "copy by link in image": "RUN mkdir /real && ln -s real /alias\nCOPY a.txt /alias/\nCOPY dir /alias/sub",
    "copy chown": "COPY --chown=app:staff dir /d\nCOPY --chown=12:13 a.txt /n",
    "copy relative": "WORKDIR /w/x\nCOPY a.txt .\nCOPY b.txt ../up/",
    "copy from stage": "RUN mkdir /o && echo 1 > /o/f\nFROM {base}\nCOPY --from=0 /o /p",
    "add archive": "ADD packed.tar.gz /u/",
    "add archive and file": "ADD a.txt packed.tar.gz /u/",
    "workdir": "WORKDIR /one\nWORKDIR two\nRUN pwd > p",
    "workdir of a user": "USER app\nWORKDIR /home/app/x",
    "env": 'ENV A=1 B="two words" C=${A:-none}\nENV PATH=/opt/bin:$PATH\nRUN echo "$A-$B-$C" > /env',
    "arg": "ARG X=5\nARG Y\nENV Z=$X\nRUN echo $X$Y > /arg",
    "run deletes": "RUN rm -r /home/app /etc/group && mkdir /home/app && touch /home/app/new",
    "run replaces": "RUN rm -r /home && echo file > /home && rm /bin/vi && mkdir /bin/vi",
    "run links": "RUN ln /etc/passwd /etc/hard && ln -s nowhere /dangling && mkfifo /pipe",
    "run modes": "RUN touch /s && chmod 4755 /s && mkdir -m 1777 /t1 && chown app:app /s",
    "labels": 'LABEL a=1 "b c"="d e"\nLABEL f=$A',
    "cmd and entrypoint": 'CMD ["a"]\nENTRYPOINT ["/bin/sh", "-c"]\nCMD ["b", "c"]',
    "shell form": "CMD echo hi\nENTRYPOINT exec top",
    "shell": 'SHELL ["/bin/sh", "-ec"]\nRUN echo x > /x\nCMD y',
    "expose and volume": 'EXPOSE 80 53/udp 1000-1002\nVOLUME ["/v1", "/v2"]\nVOLUME /v3',
    "health": "HEALTHCHECK --interval=7s --timeout=3s --retries=4 CMD test -e /x\nSTOPSIGNAL 9",
    "no health": "HEALTHCHECK NONE",
    "user": "USER app:staff\nRUN id -u > /tmp/id && id -g >> /tmp/id",
    "onbuild": "ONBUILD RUN echo built > /b\nONBUILD COPY a.txt /c",
}
OURS = {"copy from stage", "workdir of a user"}
"""Where BuildKit, after which we go, and the classic builder part: whose files become."""
IGNORED = {
    "ArgsEscaped", "AttachStderr", "AttachStdin", "AttachStdout", "Domainname", "Hostname", "Image", "OpenStdin",
    "StdinOnce", "Tty",
}  # fmt: skip


@pytest.fixture(scope="module")
def docker(lasting_bench: Workbench) -> Iterator[Docker]:
    directory = Path(tempfile.mkdtemp(prefix="portside-docker-"))
    with running_docker(directory) as running:
        archive = directory / "base.tar"
        with lasting_bench.engine.images.save([lasting_bench.image]) as saving, archive.open("wb") as file:
            assert saving.stream is not None
            while data := os.read(saving.stream, 1 << 20):
                file.write(data)
            saving.wait()
        running.call("load", "-q", "-i", str(archive))
        yield running


def config_of(document: dict[str, Any]) -> dict[str, Any]:
    """What counts of a configuration: what is empty is not there."""
    found = {key: value for key, value in document["config"].items() if key not in IGNORED}
    return {key: value for key, value in found.items() if value not in (None, "", [], {}, False)}


def without_times(files: dict[str, File], case: str) -> dict[str, tuple[Any, ...]]:
    keep = 2 if case in OURS else 4
    return {name: (*found[:keep], found.content, found.xattrs) for name, found in files.items()}


@pytest.mark.parametrize("case", CASES)
def test_the_same_as_docker(bench: Workbench, docker: Docker, tmp_path: Path, case: str) -> None:
    context = tmp_path / "context"
    fill(context, FILES)
    with tarfile.open(context / "packed.tar.gz", "w:gz") as packed:
        for name in ("dir/inner.txt", "a.txt"):
            packed.add(context / name, f"packed/{name}", filter=_owned)
    text = f"FROM {bench.image}\n{CASES[case].format(base=bench.image) if '{base}' in CASES[case] else CASES[case]}\n"
    (context / "Dockerfile").write_text(text)
    name = f"compare/{case.replace(' ', '-')}:1"
    command = [*docker.command, "build", "-q", "--network", "none", "-t", name, str(context)]
    done = subprocess.run(
        command, env={**os.environ, "DOCKER_BUILDKIT": "0"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    archive = tmp_path / "theirs.tar"
    docker.call("save", "-o", str(archive), name)
    with archive.open("rb") as file:
        (theirs,) = bench.engine.images.load(file.fileno())
    ours = bench.build(text, context, team="peers")
    assert without_times(bench.files(ours), case) == without_times(bench.files(theirs.id), case)
    document = json.loads(bench.engine.builder._records.documents(theirs.id)[0])
    assert config_of(bench.config(ours)) == config_of(document)


def _owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid, entry.gid = 21, 22
    return entry
