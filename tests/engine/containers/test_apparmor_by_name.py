"""Who asks for `portside-default` by its name has it or is refused; who doesn't ask starts either way."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.containers import states
from engine.errors import Unsupported
from engine.runtime.apparmor import host as machine
from engine.runtime.apparmor.profile import NAME
from tests.support.apparmor import Machine
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]
BY_NAME = {"security_opt": (f"apparmor={NAME}",)}


@pytest.mark.parametrize("options", [{}, {"privileged": True}])
def test_it_is_refused_where_it_can_not_be_had(
    tidy_host: Host, options: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's files and the parser are played: this kernel may have no AppArmor."""
    played = Machine(tmp_path, monkeypatch)
    with monkeypatch.context() as bare:
        bare.setattr(machine, "PARSERS", ())
        with pytest.raises(Unsupported, match=r"install it .*; or leave it out") as refused:
            tidy_host.engine.container_create(tidy_host.spec("sleep", "100", **BY_NAME, **options))
        assert refused.value.detail["field"] == "security_opt"
    spec = tidy_host.spec("sleep", "100", **BY_NAME, **options)
    tidy_host.engine.container_create(spec)
    played.parser_says("echo broken >&2; exit 1")
    with pytest.raises(Unsupported, match=f"apparmor={NAME}: .*: broken; or leave it out"):
        tidy_host.engine.container_start(spec.id)
    record = tidy_host.engine.container_get(spec.id)
    assert record.status == states.CREATED and "broken" in (record.error or "")
    assert tidy_host.run("sleep", "100", **options).apparmor_profile == "unconfined"
