"""Commands of a build are confined as containers are, on a kernel that has AppArmor."""

from __future__ import annotations

import pytest

from engine.build.entitlements import INSECURE
from engine.runtime.apparmor.profile import NAME
from tests.support.apparmor import needs_apparmor
from tests.support.builds import Workbench

pytestmark = [pytest.mark.root, pytest.mark.registry, needs_apparmor]


@pytest.mark.parametrize("network", ["default", "none"])
def test_a_run_is_confined(bench: Workbench, network: str) -> None:
    built = bench.build(
        "FROM tiny\nRUN cat /proc/self/attr/current && (sleep 50 & kill $!)", network=network, no_cache=True
    )
    assert f"{NAME} (enforce)" in built.log()


def test_an_insecure_one_is_not(bench: Workbench) -> None:
    words = "FROM tiny\nRUN --security=insecure cat /proc/self/attr/current"
    assert "unconfined" in bench.build(words, entitlements=frozenset({INSECURE}), no_cache=True).log()
