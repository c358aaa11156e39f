"""Kill -9 of anybody around another runtime's call: the container runs, or nothing is left and it can be started."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.containers.keeper_link import import_path
from engine.containers.record import ContainerRecord
from engine.containers.spec import PortMapping
from engine.errors import EngineError, Unavailable
from engine.facade import Engine
from engine.runtime.foreign.service import Foreign
from tests.engine.runtime.foreign.conftest import ForeignHost
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

STARTER = """
import sys
from engine.config import EngineConfig
from engine.facade import Engine
Engine(EngineConfig.from_environment()).container_start(sys.argv[1])
"""


def created(foreign: ForeignHost) -> str:
    spec = foreign.spec("sleep", "100", runtime=foreign.runtime, ports=(PortMapping(container=80),))
    foreign.engine.container_create(spec)
    return spec.id


def is_alive(foreign: ForeignHost, container_id: str) -> bool:
    return foreign.engine.runtime.is_alive(foreign.home.config.containers / container_id)


def goes_on(foreign: ForeignHost, container_id: str) -> None:
    """It can be started (again), stopped and removed as if nothing had been."""
    record: ContainerRecord = foreign.engine.container_start(container_id)
    assert record.status == "running" and is_alive(foreign, container_id)
    assert foreign.engine.container_stop(container_id, 0).exit_code == 137
    foreign.engine.container_remove(container_id)
    assert foreign.is_clean(container_id) and container_id not in foreign.states()


@pytest.mark.parametrize("moment", ["before create", "after create", "before start", "after start"])
@pytest.mark.parametrize("whom", ["runtime", "helper", "monitor", "launcher"])
def test_a_death_in_a_start_is_repaired_or_told(foreign: ForeignHost, moment: str, whom: str) -> None:
    container_id = created(foreign)
    foreign.arm(f"{moment} {whom}")
    try:
        record = foreign.engine.container_start(container_id)
    except EngineError as error:
        assert isinstance(error, Unavailable), error
        assert foreign.engine.container_get(container_id).error == error.message
        assert foreign.is_clean(container_id) and container_id not in foreign.states()
    else:
        assert record.status == "running" and is_alive(foreign, container_id)
    assert foreign.is_obeyed()
    goes_on(foreign, container_id)


@pytest.mark.parametrize("foreign_host", ["crun"], indirect=True)
@pytest.mark.parametrize(("moment", "lives"), [("before create", 0), ("before start", 5)])
def test_a_runtime_that_hangs_is_ended(
    foreign: ForeignHost, moment: str, lives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    goes_on(foreign, created(foreign))
    life = time.monotonic() - began  # on this machine and now: what comes before has to be done in the patience
    monkeypatch.setattr(Foreign, "patience_seconds", 0.5 + lives * life)
    container_id = created(foreign)
    foreign.arm(f"{moment} nobody")
    with pytest.raises(Unavailable, match="did not end within"):
        foreign.engine.container_start(container_id)
    assert foreign.is_clean(container_id) and container_id not in foreign.states()
    monkeypatch.undo()
    goes_on(foreign, container_id)


@pytest.mark.parametrize("foreign_host", ["crun"], indirect=True)  # it is the engine's part that is tried
@pytest.mark.parametrize(
    "fault", ["before create", "after create", "before start", "after start", "before create late"]
)
def test_a_worker_that_dies_in_a_start_is_made_up_for_by_the_next(foreign: ForeignHost, fault: str) -> None:
    container_id = created(foreign)
    moment, late, _ = fault.partition(" late")
    foreign.arm(f"{moment} caller {2 if late else ''}")  # late: when the next engine has long begun to clear away
    starter = subprocess.Popen(
        [sys.executable, "-c", f"import os; open({str(foreign.wrapper)!r} + '.caller', 'w').write(str(os.getpid()))"
         + STARTER, container_id],
        env=foreign.home.environment(
            PYTHONPATH=import_path(), PORTSIDE_RUNTIMES=f"{foreign.runtime}={foreign.wrapper}"
        ),
    )  # fmt: skip
    starter.wait(60)
    assert foreign.is_obeyed()
    engine = Engine(foreign.home.config)
    engine.reconcile()
    if late:
        eventually(foreign.is_over, what="the end of what the runtime was late with")
    record = engine.container_get(container_id)
    if record.status == "running":
        assert is_alive(foreign, container_id)
    else:
        assert record.status == "created"
        assert foreign.is_clean(container_id) and container_id not in foreign.states()
    goes_on(foreign, container_id)


@pytest.mark.parametrize("foreign_host", ["runc"], indirect=True)
def test_the_keeper_takes_back_a_start_whose_worker_died(foreign: ForeignHost) -> None:
    """Nobody reconciles: a container that is recorded as running and waits is found by the keeper."""
    container_id = created(foreign)
    foreign.arm("before start caller")
    wrapper = Path(f"{foreign.wrapper}.caller")
    code = f"import os; open({str(wrapper)!r}, 'w').write(str(os.getpid()))" + STARTER
    environment = foreign.home.environment(
        PYTHONPATH=import_path(), PORTSIDE_RUNTIMES=f"{foreign.runtime}={foreign.wrapper}"
    )
    subprocess.run([sys.executable, "-c", code, container_id], env=environment, check=False, timeout=60)
    foreign.engine.ensure_helpers()

    def is_settled() -> bool:
        record = foreign.engine.container_get(container_id)
        if record.status == "running":  # the start went on without its caller
            return is_alive(foreign, container_id) and '"started": true' in (
                (foreign.home.config.containers / container_id / "run.json").read_text()
            )
        return record.status == "created" and not foreign.home.leaks(container_id)

    eventually(is_settled, what="an end of the unfinished start")
    goes_on(foreign, container_id)
