"""Another runtime's containers are confined as ours are, on a kernel that has AppArmor."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runtime.apparmor import host
from engine.runtime.apparmor.profile import NAME
from tests.engine.runtime.foreign.conftest import ForeignHost
from tests.support.apparmor import needs_apparmor

pytestmark = [pytest.mark.root, pytest.mark.registry, needs_apparmor]
any_runtime = pytest.mark.parametrize("foreign_host", ["crun", "runc", "own"], indirect=True)


@any_runtime
def test_its_containers_are_confined_where_the_profile_can_be_had(
    foreign: ForeignHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = foreign.run("sleep", "100")
    assert Path(f"/proc/{record.pid}/attr/current").read_text().strip() == f"{NAME} (enforce)"
    assert record.apparmor_profile == NAME
    free = foreign.run("sleep", "100", security_opt=("apparmor=unconfined",))
    assert Path(f"/proc/{free.pid}/attr/current").read_text().strip() == free.apparmor_profile == "unconfined"
    monkeypatch.setattr(host, "PROFILES", "/nowhere")  # as where securityfs is not mounted
    without = foreign.engine.container_restart(record.id, 1)
    assert Path(f"/proc/{without.pid}/attr/current").read_text().strip() == without.apparmor_profile == "unconfined"
