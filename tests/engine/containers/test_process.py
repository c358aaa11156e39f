"""Image and spec are merged as Docker merges them."""

from __future__ import annotations

import pytest

from engine.containers.names import hosts
from engine.containers.process import DEFAULT_PATH, plan
from engine.errors import InvalidArgument
from tests.engine.containers.fakes import image_config, spec


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "own_entrypoint", "command", "args"),
    [
        ((), ("sh",), None, (), ("sh",)),
        ((), ("sh",), None, ("ls", "-l"), ("ls", "-l")),
        (("/init",), ("serve",), None, (), ("/init", "serve")),
        (("/init",), ("serve",), None, ("check",), ("/init", "check")),
        (("/init",), ("serve",), ("/other",), (), ("/other",)),
        (("/init",), ("serve",), ("/other",), ("x",), ("/other", "x")),
        (("/init",), ("serve",), (), ("x",), ("x",)),
    ],
)
def test_entrypoint_and_command(
    entrypoint: tuple[str, ...],
    cmd: tuple[str, ...],
    own_entrypoint: tuple[str, ...] | None,
    command: tuple[str, ...],
    args: tuple[str, ...],
) -> None:
    image = image_config(entrypoint=entrypoint, cmd=cmd)
    assert plan(spec(entrypoint=own_entrypoint, command=command), image).args == args


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="names no command"):
        plan(spec(), image_config(cmd=()))


def test_the_environment_is_defaults_then_image_then_person() -> None:
    image = image_config(env=("PATH=/opt/bin", "A=image", "B=image"))
    env = plan(spec(env={"A": "person"}), image).env
    assert set(env) == {"PATH=/opt/bin", f"HOSTNAME={spec().id[:12]}", "A=person", "B=image"}
    assert f"PATH={DEFAULT_PATH}" in plan(spec(), image_config()).env


def test_user_workdir_and_stop_signal_come_from_the_image_unless_given() -> None:
    image = image_config(user="app", working_dir="/srv", stop_signal="SIGQUIT")
    one = plan(spec(), image)
    assert (one.user, one.cwd, one.stop_signal) == ("app", "/srv", "SIGQUIT")
    two = plan(spec(user="0", workdir="/tmp", hostname="web.example"), image)
    assert (two.user, two.cwd, two.hostname) == ("0", "/tmp", "web.example")
    assert plan(spec(), image_config()).stop_signal == "SIGTERM"


def test_the_hosts_file_names_the_container_itself() -> None:
    assert hosts("172.30.0.2", "web.example", gateway="10.0.0.1").endswith("172.30.0.2\tweb.example web\n")
