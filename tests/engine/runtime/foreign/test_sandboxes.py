"""gVisor: its process is a sandbox around the program, so what we do to processes goes by the runtime's commands."""

from __future__ import annotations

import shutil
import signal

import pytest

from engine.containers.spec import PortMapping
from engine.errors import EngineError, Unsupported
from engine.runtime.execs import ExecSpec
from tests.engine.runtime.foreign.conftest import ForeignHost
from tests.support.processes import eventually

pytestmark = [
    pytest.mark.root,
    pytest.mark.registry,
    pytest.mark.skipif(shutil.which("runsc") is None, reason="runsc is not installed"),
    pytest.mark.parametrize("foreign_host", ["runsc"], indirect=True),
]


def test_it_runs_on_another_kernel_with_our_user_files_code_and_restarts(foreign: ForeignHost) -> None:
    script = 'uname -r; echo "$(id -u) $PWD $HOME"; echo x >>/home/app/count; wc -l </home/app/count; exit 4'
    record = foreign.run(
        "sh",
        "-c",
        script,
        user="app",
        workdir="/home/app",
        restart="on-failure",
        restart_limit=1,
        memory_bytes=512 << 20,
    )
    ended = foreign.ended(record.id)
    assert (ended.exit_code, ended.run, ended.error) == (4, 2, None)
    kernel, who, count, *again = foreign.log(record.id, "stdout").decode().split("\n")[:6]
    assert kernel == "4.4.0", "gVisor's own"
    assert (who, count.strip(), again[2].strip()) == ("1000 /home/app /home/app", "1", "2")


def test_signals_reach_the_program_and_a_pause_holds_it(foreign: ForeignHost) -> None:
    script = "trap 'echo bye; exit 5' TERM; trap 'echo hup' HUP; while :; do echo tick; sleep 0.05; done"
    record = foreign.run("sh", "-c", script)
    foreign.says(record.id, b"tick")
    foreign.engine.container_kill(record.id, "HUP")
    foreign.says(record.id, b"hup")
    with pytest.raises(Unsupported, match="runsc"):
        foreign.engine.container_exec(record.id, ExecSpec(args=("true",)))
    foreign.engine.container_pause(record.id)
    foreign.silent(record.id)
    stopped = foreign.engine.container_stop(record.id, 20)
    assert stopped.exit_code == 5 and foreign.log(record.id).endswith(b"bye\n")
    assert foreign.engine.container_start(record.id).run == 2
    assert foreign.engine.container_kill(record.id).exit_code == 128 + signal.SIGKILL
    assert foreign.is_clean(record.id)


def test_two_sandboxes_talk_and_a_missing_command_is_told(foreign: ForeignHost) -> None:
    server = foreign.run(
        "sh", "-c", "while :; do echo hello | nc -l -p 8080; done", ports=(PortMapping(container=8080),)
    )
    client = foreign.run(
        "sh", "-c", f"for i in $(seq 300); do nc -w 2 {server.ip_address} 8080 && exit 0; sleep 0.1; done"
    )
    assert foreign.ended(client.id).exit_code == 0
    assert foreign.log(client.id, "stdout") == b"hello\n"
    eventually(lambda: foreign.engine.sample()[1][server.id].memory_bytes > 0, what="its figures")
    spec = foreign.spec("/no/such/thing", runtime=foreign.runtime)
    foreign.engine.container_create(spec)
    with pytest.raises(EngineError, match=r"^runsc: ") as caught:
        foreign.engine.container_start(spec.id)
    assert caught.value.detail.get("exit_code") == 127, caught.value.message
