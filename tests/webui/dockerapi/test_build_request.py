"""What docker's parameters of a build become."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from engine.errors import EngineError
from webui.builds.request import BuildRequest
from webui.dockerapi.builds.request import request_of
from webui.dockerapi.call import Call


def asked(**parameters: str) -> BuildRequest:
    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "POST", "headers": [], "query_string": urlencode(parameters).encode()}
    return request_of(Call(scope, receive, (1, 43), {}, None))


def test_a_repository_is_fetched_by_the_host() -> None:
    found = asked(remote="https://git.example.com/team/app.git#main:web", t="app:1")
    assert (found.git, found.tags) == ("https://git.example.com/team/app.git#main:web", ["app:1"])
    assert asked(t="app:1").git is None


@pytest.mark.parametrize(
    "remote", ["https://example.com/context.tar", "file:///etc", "ssh://git@example.com/x.git", "/etc", "ext::sh -c x"]
)
def test_nothing_else_is_fetched(remote: str) -> None:
    with pytest.raises(EngineError, match="only git repositories"):
        asked(remote=remote)


def test_numbers_and_objects_are_read_as_docker_does() -> None:
    found = asked(buildargs='{"A": 1, "B": null}', cpuquota="50000", networkmode="bridge", nocache="1")
    assert (found.build_args, found.cpus, found.network, found.no_cache) == ({"A": "1"}, 0.5, "default", True)
    for wrong in ({"buildargs": "[1]"}, {"buildargs": "{"}, {"squash": "1"}, {"version": "2"}):
        with pytest.raises(EngineError):
            asked(**wrong)
