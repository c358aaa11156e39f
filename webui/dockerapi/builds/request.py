"""What `POST /build` asks for in its parameters, as the site's request of a build.

Source: moby's api/swagger.yaml (ImageBuild). What only saves time (`cachefrom`) or weighs steps against one another
(`cpushares`, `cpusetcpus`, …) is passed over; what would change the image or its steps is refused.
"""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidArgument, Unsupported
from webui.builds.request import BuildRequest, git_problem
from webui.dockerapi import shapes
from webui.dockerapi.call import Call

_NETWORKS = {"": "default", "bridge": "default"}
CPU_PERIOD = 100_000
"""Microseconds, where `cpuquota` says none."""


def request_of(call: Call) -> BuildRequest:
    """Raises InvalidArgument, Unsupported."""
    _refuse(call)
    quota, period = call.number("cpuquota") or 0, call.number("cpuperiod") or CPU_PERIOD
    network = call.text("networkmode")
    return BuildRequest(
        git=call.text("remote") or None,
        tags=[tag for tag in call.texts("t") if tag],
        dockerfile=call.text("dockerfile") or "Dockerfile",
        target=call.text("target"),
        build_args={name: str(value) for name, value in _object(call, "buildargs").items() if value is not None},
        labels={name: str(value) for name, value in _object(call, "labels").items()},
        platform=(call.text("platform") if call.version >= (1, 32) else "") or None,
        no_cache=call.flag("nocache"),
        pull=call.flag("pull"),
        network=_NETWORKS.get(network, network),
        extra_hosts=[host for host in call.texts("extrahosts") if host],
        memory_bytes=call.number("memory") or None,
        cpus=quota / period if quota > 0 and period > 0 else None,
    )


def _refuse(call: Call) -> None:
    if call.text("version") not in ("", "1"):
        raise InvalidArgument("this daemon has no BuildKit: build with the classic builder (DOCKER_BUILDKIT=0)")
    if call.flag("squash"):
        raise InvalidArgument("squash is only supported with experimental mode")
    remote = call.text("remote")
    if remote and git_problem(remote) is not None:
        raise Unsupported("remote: only git repositories are fetched; send anything else as the request's body")
    if _json(call, "ulimits"):
        raise Unsupported("ulimits of a build's steps can't be set: leave them out")


def _object(call: Call, name: str) -> dict[str, Any]:
    found = _json(call, name)
    if not isinstance(found, dict):
        raise InvalidArgument(f"error reading {name}: give a JSON object")
    return found


def _json(call: Call, name: str) -> Any:
    text = call.text(name)
    try:
        return (shapes.parsed(text) if text else None) or {}
    except InvalidArgument as error:
        raise InvalidArgument(f"error reading {name}: {error.message}") from error
