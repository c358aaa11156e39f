"""Swarm, services, nodes, secrets, configs, plugins, checkpoints: answered as by an engine that is in no swarm and has
no plugins."""

from __future__ import annotations

from webui.dockerapi.answers import Answer, Json
from webui.dockerapi.call import Call
from webui.dockerapi.errors import Refusal
from webui.dockerapi.routing import endpoint

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again."
)
NOT_IN_A_SWARM = "This node is not part of a swarm"
NO_SWARM = "Portside joins no swarm: its own hosts are chosen by name, as tcp://ADDRESS/hosts/NAME"
NO_PLUGINS = "Portside has no plugins: volumes and networks are of its own drivers"
_MANAGERS = (
    ("GET", "/swarm"), ("POST", "/swarm/update"), ("GET", "/swarm/unlockkey"),
    ("GET", "/services"), ("POST", "/services/create"), ("GET", "/services/{id}"), ("DELETE", "/services/{id}"),
    ("POST", "/services/{id}/update"), ("GET", "/services/{id}/logs"),
    ("GET", "/nodes"), ("GET", "/nodes/{id}"), ("DELETE", "/nodes/{id}"), ("POST", "/nodes/{id}/update"),
    ("GET", "/tasks"), ("GET", "/tasks/{id}"), ("GET", "/tasks/{id}/logs"),
    ("GET", "/secrets"), ("POST", "/secrets/create"), ("GET", "/secrets/{id}"), ("DELETE", "/secrets/{id}"),
    ("POST", "/secrets/{id}/update"),
    ("GET", "/configs"), ("POST", "/configs/create"), ("GET", "/configs/{id}"), ("DELETE", "/configs/{id}"),
    ("POST", "/configs/{id}/update"),
)  # fmt: skip


async def _not_a_manager(call: Call) -> Answer:
    raise Refusal(503, NOT_A_MANAGER)


async def _no_swarm(call: Call) -> Answer:
    raise Refusal(501, NO_SWARM)


for _method, _path in _MANAGERS:
    endpoint(_method, _path)(_not_a_manager)
for _path in ("/swarm/init", "/swarm/join"):
    endpoint("POST", _path)(_no_swarm)


@endpoint("POST", "/swarm/leave")
async def swarm_leave(call: Call) -> Answer:
    raise Refusal(503, NOT_IN_A_SWARM)


@endpoint("POST", "/swarm/unlock")
async def swarm_unlock(call: Call) -> Answer:
    raise Refusal(503, NOT_IN_A_SWARM)


@endpoint("GET", "/plugins")
async def plugin_list(call: Call) -> Json:
    return Json([])


@endpoint("GET", "/plugins/{name:path}/json")
async def plugin_inspect(call: Call) -> Answer:
    raise Refusal(404, f'plugin "{call["name"]}" not found')


async def _no_plugins(call: Call) -> Answer:
    raise Refusal(501, NO_PLUGINS)


for _method, _path in (
    ("GET", "/plugins/privileges"), ("POST", "/plugins/pull"), ("POST", "/plugins/create"),
    ("DELETE", "/plugins/{name:path}"), ("POST", "/plugins/{name:path}/enable"),
    ("POST", "/plugins/{name:path}/disable"), ("POST", "/plugins/{name:path}/upgrade"),
    ("POST", "/plugins/{name:path}/push"), ("POST", "/plugins/{name:path}/set"),
):  # fmt: skip
    endpoint(_method, _path)(_no_plugins)
