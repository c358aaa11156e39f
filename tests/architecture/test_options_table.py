"""docs/options.md against the code: every flag once, with a field, a test and a sentence that are there."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

import pytest

from engine.__main__ import parser
from engine.containers.spec import ContainerSpec
from engine.options import refused
from engine.options.changing import CHANGEABLE
from webui.pages.options import THROTTLES
from worker.contract.sessions import ExecParameters

ROOT = Path(__file__).parents[2]


def words(text: str) -> list[str]:
    return text.split()


# docker/cli docs/reference/commandline of 2026-08-20.
RUN = words("""
add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-count
cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach
detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops dns
dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval
health-retries health-start-interval health-start-period health-timeout help hostname init interactive io-maxbandwidth
io-maxiops ip ip6 ipc isolation label label-file link link-local-ip log-driver log-opt mac-address memory
memory-reservation memory-swap memory-swappiness mount name network network-alias no-healthcheck oom-kill-disable
oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only restart rm runtime
security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user userns
uts volume volume-driver volumes-from workdir
""")
UPDATE = words("""
blkio-weight cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems memory
memory-reservation memory-swap pids-limit restart
""")
EXEC = words("detach detach-keys env env-file interactive privileged tty user workdir")
FILES_OF_REST = {"env_file", "label_file"}
NO_FLAGS = {"id", "image", "command", "restart_limit", "stdin_once", "restart_unhealthy", "depends_on"}


def rows(command: str) -> list[list[str]]:
    """The cells of the table below the heading that begins with `docker COMMAND`."""
    text = (ROOT / "docs" / "options.md").read_text()
    section = text.split(f"\n## docker {command}")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `--")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def flags_of(command: str) -> set[str]:
    """What our own command line takes."""
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return {name for action in commands.choices[command]._actions for name in action.option_strings}


def plain(cell: str) -> str:
    return cell.strip("`")


@pytest.mark.parametrize(("command", "wanted"), [("run", RUN), ("update", UPDATE), ("exec", EXEC)])
def test_every_flag_stands_there_once_and_is_taken_by_hand(command: str, wanted: list[str]) -> None:
    assert len(wanted) == {"run": 102, "update": 14, "exec": 9}[command]
    assert [plain(row[0]) for row in rows(command)] == [f"--{name}" for name in wanted]
    assert not {f"--{name}" for name in wanted} - flags_of(command)


@pytest.mark.parametrize("command", ["run", "update", "exec"])
def test_each_state_is_true_and_each_test_is_there(command: str) -> None:
    tests: dict[str, str] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        tests[path.name] = tests.get(path.name, "") + path.read_text()
    for row in rows(command):
        flag, state, where = plain(row[0]), row[-2], re.findall(r"`([^`]+)`", row[-1])
        file, name = where
        assert f"def test_{name}(" in tests[file], f"{flag}: {file} has no test_{name}"
        kind, _, sentence = state.partition(": ")
        if kind == "works":
            continue
        assert kind == "refused", flag
        key = flag if command != "exec" else f"exec_{flag.strip('-')}"
        assert sentence == refused.sentence(key), flag


def offered_by_the_form() -> set[str]:
    """The fields that the page New container asks for; its throttles and checks of health are made by loops."""
    pages = [ROOT / "templates/pages/container_new.html", *(ROOT / "templates/parts").glob("container_*.html")]
    text = "".join(page.read_text() for page in pages)
    found = set(re.findall(r'data-(?:option|problem)="(\w+)"', text))
    return found | {str(throttle["name"]) for throttle in THROTTLES}


def test_each_field_is_one_of_its_request_and_of_the_form() -> None:
    offered = offered_by_the_form()
    of_spec = {field.name for field in dataclasses.fields(ContainerSpec)} | FILES_OF_REST
    given = set()
    for flag, rest, in_form, state, _ in rows("run"):
        if rest != "-":
            given.add(plain(rest))
            assert plain(rest) in of_spec, flag
            assert state.startswith("works"), flag
        about_the_client = rest == "-" and state.startswith("works")
        assert in_form == ("-" if about_the_client else "yes" if plain(rest) in offered else "–"), flag  # noqa: RUF001
    assert of_spec - given == {
        "id",
        "image",
        "command",
        "restart_limit",
        "stdin_once",
        "restart_unhealthy",
        "depends_on",
        "networks",
        "publish_address",
        "bind_roots",
    }


def test_each_field_of_an_update_and_of_an_exec_is_there() -> None:
    for _, rest, _, _ in rows("update"):
        assert rest == "-" or plain(rest) in CHANGEABLE
    of_exec = {field.name for field in dataclasses.fields(ExecParameters)}
    for _, field, _, _ in rows("exec"):
        assert field == "-" or plain(field) in of_exec


def test_nothing_is_refused_that_docker_has_not() -> None:
    assert set(refused.REFUSED) <= {name.replace("-", "_") for name in RUN}
