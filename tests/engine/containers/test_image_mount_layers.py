"""The layers of images that are mounted: many of them, and some that are gone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.containers import mounting
from engine.containers.keeper_link import import_path
from engine.errors import NotFound
from tests.support.engine import Host
from tests.support.oci_layout import Layout, tar_of

pytestmark = [pytest.mark.root, pytest.mark.registry]

DESCRIPTORS = 250
LAYERS, MOUNTS = 12, 24


STARTER = f"""
import resource
from engine.config import EngineConfig
from engine.facade import Engine
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
Engine(EngineConfig.from_environment()).runtime.ensure_launcher()
"""


@pytest.fixture
def narrow_host(tidy_host: Host) -> Host:
    """One whose launcher was started with few descriptors, as most systems start programs."""
    tidy_host.kill_hard(tidy_host.engine.runtime.ensure_launcher())
    environment = tidy_host.home.environment(PYTHONPATH=import_path())
    subprocess.run([sys.executable, "-c", STARTER], env=environment, check=True)  # these tests hold more than that open
    return tidy_host


@pytest.mark.parametrize("runtime", ["portside", "crun", "runc"])
def test_more_layers_than_descriptors_are_mounted_and_the_container_has_the_usual_ones(
    narrow_host: Host, registry: Any, tmp_path: Path, runtime: str
) -> None:
    """Each layer is a descriptor of whoever makes the container."""
    installed = [fact["name"] for fact in narrow_host.engine.runtime.installed.facts() if not fact.get("problem")]
    if runtime != "portside" and runtime not in installed:
        pytest.skip(f"{runtime} is not installed")
    layout = Layout(tmp_path / "layout")
    layers = [layout.layer(tar_of({"which": f"{number}\n".encode()})) for number in range(LAYERS)]
    name = registry.push(layout.image(layers), "mounts/many")

    def said(*mounts: str) -> list[str]:
        script = "ulimit -n; cat /m*/which 2>/dev/null | uniq -c"
        record = narrow_host.run("sh", "-c", script, runtime=runtime, mounts=mounts)
        narrow_host.ended(record.id)
        return narrow_host.log(record.id).decode().split()

    (usual,) = said()  # Go's programs take all for themselves, and some hand that on
    found = said(*(f"type=image,source={name},target=/m{number}" for number in range(MOUNTS)))
    assert found == [usual, str(MOUNTS), str(LAYERS - 1)]


def test_an_image_that_goes_while_a_container_is_made_of_it_and_others_is_told_by_its_name(
    tidy_host: Host, registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "layout")
    stays, goes = (
        registry.push(layout.image([layout.layer(tar_of({"which": name.encode()}))]), f"mounts/{name}")
        for name in ("stays", "goes")
    )
    spec = tidy_host.spec("true", mounts=[f"type=image,source={name},target=/{name[-4:]}" for name in (stays, goes)])
    prepare = mounting.prepare

    def slowly(*arguments: Any) -> Any:
        tidy_host.engine.image_remove(goes)
        return prepare(*arguments)

    monkeypatch.setattr(mounting, "prepare", slowly)
    with pytest.raises(NotFound, match=f"mounts: {goes}: .*pull the image again"):
        tidy_host.engine.container_create(spec)
    assert tidy_host.engine.container_list() == []
    monkeypatch.undo()
    tidy_host.engine.container_create(spec)
    shutil.rmtree(
        tidy_host.engine.builder._snapshots.layer_directory(tidy_host.engine.images.get(goes).diff_ids[0]).parent
    )
    tidy_host.engine.builder._snapshots.recover()
    with pytest.raises(NotFound, match=f"mounts: {goes}: .*pull the image again"):
        tidy_host.engine.container_start(spec.id)
    assert tidy_host.is_clean(spec.id)
    tidy_host.engine.images.pull(goes)
    tidy_host.engine.container_start(spec.id)
    assert tidy_host.ended(spec.id).exit_code == 0
