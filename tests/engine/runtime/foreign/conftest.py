"""A host whose containers are made by another runtime, which can be made to die at a chosen moment."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.containers.record import ContainerRecord
from tests.engine.runtime.oci.bundles import CODE
from tests.support.engine import Host
from tests.support.home import Home, throwaway_home

# Stands before the real program. The file beside it, "before create helper" for example, is obeyed once.
WRAPPER = """#!/bin/sh
for word in "$@"; do
  case $word in create|start|state|kill|delete) verb=$word; break;; esac
done
fault() {
  [ "$(cut -d' ' -f1,2 "$0.fault" 2>/dev/null)" = "$1 $verb" ] || return 0
  whom=$(cut -d' ' -f3 "$0.fault"); pause=$(cut -d' ' -f4 "$0.fault"); rm "$0.fault"
  case $whom in
    runtime) kill -9 $$;;
    helper) kill -9 $PPID;;
    monitor) kill -9 "$(cut -d' ' -f4 "/proc/$PPID/stat")";;
    launcher) kill -9 "$(cat "$0.launcher")";;
    caller) kill -9 "$(cat "$0.caller")"; sleep "${pause:-0}";;
    nobody) sleep 60;;
    early) early=1;;
  esac
  sleep 0.05
}
fault before
if [ "$early" ]; then
  (sleep 0.3; REAL "$@") >/dev/null 2>&1 &
  exit 0
fi
REAL "$@"
code=$?
[ -z "$pause" ] || touch "$0.over"
fault after
exit $code
"""


class ForeignHost(Host):
    """`runtime` is the name under which its containers' runtime is known; `wrapper` stands for its program."""

    def __init__(self, home: Home, image: str, runtime: str, wrapper: Path) -> None:
        self.runtime, self.wrapper = runtime, wrapper
        home.config = EngineConfig(home=home.path, runtimes=((runtime, str(wrapper)),))
        super().__init__(home, image)

    def run(self, *command: str, **changes: object) -> ContainerRecord:
        return super().run(*command, **{"runtime": self.runtime, **changes})

    def arm(self, fault: str) -> None:
        """`fault`: "before|after VERB runtime|helper|monitor|launcher|caller", or "nobody" to hang.

        "before start early": it says that it is done before it is.
        "before create caller 2": it goes on after 2 seconds; `is_over` tells when it has.
        """
        Path(f"{self.wrapper}.over").unlink(missing_ok=True)
        Path(f"{self.wrapper}.launcher").write_text(str(self.engine.runtime.ensure_launcher()))
        Path(f"{self.wrapper}.fault").write_text(f"{fault}\n")

    def is_obeyed(self) -> bool:
        return not Path(f"{self.wrapper}.fault").exists()

    def is_over(self) -> bool:
        return Path(f"{self.wrapper}.over").exists()

    def states(self) -> list[str]:
        """What the runtime itself still keeps of any container."""
        root = self.home.config.run / "oci" / self.runtime
        return sorted(path.name for path in root.glob("[!.]*"))


def program_of(runtime: str) -> str:
    if runtime == "own":  # our own command line, as any other would be named
        return f"{shlex.quote(sys.executable)} -S -s -E -c {shlex.quote(CODE)}"
    found = shutil.which(runtime, path="/usr/sbin:/usr/bin")
    assert found is not None, f"{runtime} is missing: python -m tests.support.prepare"
    # Debian's gVisor of 2022 takes every network namespace of a newer Linux for the host's, and declines its own stack.
    return f"{found} --network=host" if runtime == "runsc" else found


@pytest.fixture(scope="module", params=["crun", "runc"])
def foreign_host(
    request: pytest.FixtureRequest, tiny_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForeignHost]:
    wrapper = tmp_path_factory.mktemp("wrapper") / request.param
    wrapper.write_text(WRAPPER.replace("REAL", program_of(request.param)))
    wrapper.chmod(0o755)
    with throwaway_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTSIDE_RUNTIMES", f"{request.param}={wrapper}")  # for the keeper and its hands
        yield ForeignHost(home, tiny_image, request.param, wrapper)


@pytest.fixture
def foreign(foreign_host: ForeignHost) -> Iterator[ForeignHost]:
    """After each test its containers are removed, and nothing may be left."""
    yield foreign_host
    for record in foreign_host.engine.container_list():
        foreign_host.engine.container_remove(record.id, force=True)
    assert foreign_host.is_clean()
    assert foreign_host.states() == []
