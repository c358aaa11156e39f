"""The options of `docker run` in words, for the form and for a container's page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from engine.oci.runtime_process import CAPABILITIES
from engine.options import changing, modes
from webui.accounts.models import User
from webui.containers.models import Container, ObservedStatus
from webui.hosts.models import Host
from webui.networks.addresses import use_of
from webui.networks.models import Network
from webui.pages.templatetags.portside import size

_LABELS = {
    "network": "Network",
    "networks": "Further networks",
    "network_alias": "Names there",
    "link": "Names of others there",
    "ip": "Address there",
    "ip6": "IPv6 address there",
    "mac_address": "MAC address there",
    "expose": "Ports it listens on",
    "publish_all": "All of them published",
    "publish_address": "All of them at",
    "pid": "Processes",
    "ipc": "IPC",
    "uts": "Host name shared",
    "cgroupns": "Control groups",
    "pull": "Image is pulled",
    "platform": "Platform",
    "annotations": "Annotations",
    "log_driver": "Log driver",
    "log_opt": "Log options",
    "storage_opt": "Its own files at most",
    "memory_swappiness": "Swappiness",
    "blkio_weight_device": "Weight of a disk",
    "entrypoint": "Entrypoint",
    "user": "User",
    "workdir": "Directory",
    "hostname": "Host name",
    "pids_limit": "Processes at most",
    "cap_add": "Capabilities added",
    "cap_drop": "Capabilities dropped",
    "privileged": "Privileged",
    "read_only": "Read-only root",
    "security_opt": "Security options",
    "userns": "User ids",
    "runtime": "Runtime",
    "init": "Init as process 1",
    "tty": "Terminal",
    "stdin_open": "Input stays open",
    "stdin_once": "Input ends with whoever ends it",
    "devices": "Devices",
    "device_cgroup_rules": "Device rules",
    "group_add": "More groups",
    "sysctls": "Kernel settings",
    "ulimits": "Limits of a process",
    "tmpfs": "File systems in memory",
    "volumes": "Volumes",
    "mounts": "Mounts",
    "volumes_from": "Mounts of other containers",
    "volume_driver": "Volume driver",
    "shm_size": "Shared memory",
    "stop_signal": "Signal that stops it",
    "stop_timeout": "Seconds until it is killed",
    "auto_remove": "Removed when it ends",
    "domainname": "Domain",
    "extra_hosts": "More hosts",
    "dns": "Name servers",
    "dns_search": "Search domains",
    "dns_options": "Resolver options",
    "memory_reservation": "Memory kept if short",
    "memory_swap": "Memory with swap",
    "oom_score_adj": "OOM score",
    "oom_kill_disable": "Waits for memory",
    "cpu_shares": "CPU weight",
    "cpu_quota": "CPU quota",
    "cpu_period": "CPU period",
    "cpu_rt_runtime": "Real-time share",
    "cpu_rt_period": "Real-time period",
    "cpuset_cpus": "Only these processors",
    "cpuset_mems": "Only these memory nodes",
    "blkio_weight": "Disk weight",
    "device_read_bps": "Bytes read a second",
    "device_write_bps": "Bytes written a second",
    "device_read_iops": "Reads a second",
    "device_write_iops": "Writes a second",
    "healthcheck": "Health check",
    "restart_unhealthy": "Restarted when unhealthy",
    "depends_on": "Starts after, with the host",
}
_USUAL = {"userns": "auto", "runtime": "portside", "pull": "missing", "log_driver": "json-file", **modes.USUAL}
_SIZES = frozenset(("shm_size", "memory_reservation", "memory_swap"))
_NAMES = 200
_SHOWN = 200
"""Characters of one entry: a seccomp profile has thousands."""
THROTTLES = [
    {"name": name, "label": _LABELS[name], "example": f"/dev/sda:{example}"}
    for name, example in (
        ("blkio_weight_device", 500),
        ("device_read_bps", 1 << 20),
        ("device_write_bps", 1 << 20),
        ("device_read_iops", 100),
        ("device_write_iops", 100),
    )
]
RATES = [option for option in THROTTLES if option["name"] in changing.RATES]
"""Those that change under a running container."""


def form_context(user: User) -> dict[str, Any]:
    """What the folded groups of the form need."""
    return {
        "capability_names": sorted(CAPABILITIES),
        "throttles": THROTTLES,
        "container_names": list(_names_of(user)),
        "networks": networks_offered(user),
        "may_loosen": Host.objects.visible_to(user, "hosts.loosen").exists(),
    }


def networks_offered(user: User) -> list[dict[str, Any]]:
    """What a new container may join, of all hosts, with how many addresses are left."""
    offered = []
    for network in Network.objects.visible_to(user).prefetch_related("endpoints"):
        taken = [endpoint.ip for endpoint in network.endpoints.all()]
        use = use_of(network.subnet, network.gateway, network.ip_range, taken)
        about = {"host": network.host_id, "name": network.name, "subnet": network.subnet, "ipv6": network.ipv6}
        walls = {"internal": network.internal, "icc": network.icc}
        offered.append({**about, **walls, "size": use.size, "free": use.free})
    return offered


def _names_of(user: User) -> Iterator[str]:
    """What may be shared with: those that run, the newest first."""
    alive = (ObservedStatus.RUNNING, ObservedStatus.PAUSED)
    rows = Container.objects.visible_to(user).filter(observed_status__in=alive)
    return iter(rows.values_list("name", flat=True)[:_NAMES])


def chosen(row: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """(label, lines) of every option that is not as usual."""
    found = []
    for name, label in _LABELS.items():
        value = row.get(name)
        if value in (None, False, _USUAL.get(name)) or value in ([], {}):
            continue
        found.append((label, _lines(name, value)))
    return found


def _lines(name: str, value: Any) -> list[str]:
    if value is True:
        return ["yes"]
    if name == "healthcheck":
        return _check_lines(value)
    if isinstance(value, dict):
        return [f"{key}={text}" for key, text in value.items()]
    if name == "entrypoint":
        return [shlex.join(value)]
    if isinstance(value, list):
        return [text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…" for text in value]
    return [size(value) if name in _SIZES and value > 0 else str(value)]


def _check_lines(check: dict[str, Any]) -> list[str]:
    kind, *words = check.get("test") or ["the image's own"]
    line = {"CMD": shlex.join(words), "CMD-SHELL": " ".join(words), "NONE": "none"}.get(kind, kind)
    times = [f"{name.removesuffix('_seconds').replace('_', ' ')} {value:g} s" for name, value in check.items()
             if name.endswith("_seconds") and value]  # fmt: skip
    return [line, *times, *([f"retries {check['retries']}"] if check.get("retries") else [])]
