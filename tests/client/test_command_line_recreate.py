"""`portside recreate` before a site that says what a test wants."""

from __future__ import annotations

from typing import Any

import pytest

from client.cli.main import main
from tests.client.fake_site import Asked, FakeSite, Said
from tests.client.test_command_line import ID, MADE, container, rows, signed_in

__all__ = ["signed_in"]

RECREATE = f"/api/v1/containers/{ID}/recreate/"


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("web", {}),
        ("--network b web", {"network": "b", "networks": []}),
        ("--network b --network c web", {"network": "b", "networks": ["c"]}),
        ("--pull always -V web", {"pull": "always", "renew_volumes": True}),
        (
            "-e A=1 -e B= --env-rm C -l x=y --label-rm z --no-privileged --init --no-start --image nginx:2 web",
            {
                "env": {"A": "1", "B": "", "C": None}, "labels": {"x": "y", "z": None}, "privileged": False,
                "init": True, "start": False, "image": "nginx:2",
            },
        ),
        (
            "-p 8080:80 --restart on-failure:3 -m 64m --entrypoint /run --no-interactive -v data:/data c0ffee",
            {
                "ports": [{"container": 80, "host": 8080, "host_last": None, "protocol": "tcp"}],
                "restart": "on-failure",
                "restart_limit": 3, "memory_bytes": 64 << 20, "entrypoint": ["/run"], "stdin_open": False,
                "volumes": ["data:/data"],
            },
        ),
    ],
)  # fmt: skip
def test_recreate_keeps_what_is_not_said(
    fake_site: FakeSite, capsys: pytest.CaptureFixture[str], words: str, body: dict[str, Any]
) -> None:
    fake_site.on("POST", RECREATE, Said(202, {**MADE.body, "container": container(id="e" * 64)}))
    assert main(["recreate", *words.split()]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out == "e" * 64 + "\n"
    (asked,) = [one for one in fake_site.asked if one.path == RECREATE]
    assert asked.json == {"keep": True, **body}


def test_recreate_takes_another_command_and_several_containers(
    fake_site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(asked: Asked) -> Said:
        return Said(body=rows(*([] if asked.query.get("name") == ["gone"] else [container()])))

    fake_site.http["GET", "/api/v1/containers/"] = listed
    fake_site.on("POST", RECREATE, MADE)
    assert main(["recreate", "--command", "sh -c 'echo hi'", "web", "gone", "c0ffee"]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [ID, ID] and "gone" in told.err
    bodies = [one.json for one in fake_site.asked if one.path == RECREATE]
    assert bodies == [{"keep": True, "command": ["sh", "-c", "echo hi"]}] * 2
    assert main(["recreate", "--command", "", "web"]) == 0
    assert [one.json for one in fake_site.asked if one.path == RECREATE][-1] == {"keep": True, "command": []}
    assert main(["recreate", "--command", "echo 'hi", "web"]) == 1
    assert "--command: No closing quotation" in capsys.readouterr().err
    assert main(["recreate", "--name", "x", "web", "c0ffee"]) == 2
    assert main(["recreate"]) == 2
