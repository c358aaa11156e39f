"""Images of many layers, mounted many times: each layer is a descriptor of whoever makes the container."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import Host
from tests.support.oci_layout import Layout, tar_of

pytestmark = [pytest.mark.root, pytest.mark.registry]

DESCRIPTORS = 250
LAYERS, MOUNTS = 12, 24


@pytest.fixture
def narrow_host(tidy_host: Host) -> Host:
    """One whose launcher was started with few descriptors, as most systems start programs."""
    tidy_host.kill_hard(tidy_host.engine.runtime.ensure_launcher())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    try:
        tidy_host.engine.runtime.ensure_launcher()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return tidy_host


@pytest.mark.parametrize("runtime", ["portside", "crun", "runc"])
def test_more_layers_than_descriptors_are_mounted_and_the_container_has_the_usual_ones(
    narrow_host: Host, registry: Any, tmp_path: Path, runtime: str
) -> None:
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
