"""What a client asks of the engine itself: is it there, which versions, what machine is it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count

from webui.containers.models import ObservedStatus
from webui.dockerapi import names, times, versions
from webui.dockerapi.answers import Json, Text
from webui.dockerapi.call import Call
from webui.dockerapi.routing import endpoint
from webui.hosts.models import Host
from webui.live.loop import in_thread

PRODUCT = "Portside"
BUILT_AT = "2026-01-01T00:00:00.000000000+00:00"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@endpoint("GET", "/_ping", is_open=True)
@endpoint("HEAD", "/_ping", is_open=True)
async def ping(call: Call) -> Text:
    """Clients learn here which version to speak. `Builder-Version` 1 is the classic builder."""
    headers = (
        ("Builder-Version", "1"),
        ("Docker-Experimental", "false"),
        ("Swarm", "inactive"),
        ("Cache-Control", "no-cache, no-store, must-revalidate"),
        ("Pragma", "no-cache"),
    )
    return Text("OK", headers=headers)


@endpoint("GET", "/version")
async def version(call: Call) -> Json:
    host = call.host
    details = {
        "ApiVersion": versions.text(versions.NEWEST),
        "Arch": architecture(host),
        "BuildTime": BUILT_AT,
        "Experimental": "false",
        "GitCommit": host.engine_version,
        "GoVersion": f"python{platform.python_version()}",
        "KernelVersion": host.kernel,
        "MinAPIVersion": versions.text(versions.MINIMUM),
        "Os": "linux",
    }
    return Json(
        {
            "Platform": {"Name": PRODUCT},
            "Components": [{"Name": "Engine", "Version": versions.ENGINE, "Details": details}],
            "Version": versions.ENGINE,
            "ApiVersion": versions.text(versions.NEWEST),
            "MinAPIVersion": versions.text(versions.MINIMUM),
            "GitCommit": host.engine_version,
            "GoVersion": f"python{platform.python_version()}",
            "Os": "linux",
            "Arch": architecture(host),
            "KernelVersion": host.kernel,
            "BuildTime": BUILT_AT,
        }
    )


def architecture(host: Host) -> str:
    """Go's word for it, as images have it."""
    return _ARCHITECTURES.get(host.architecture, host.architecture)


def _warnings(host: Host) -> list[str] | None:
    found = [] if host.is_online else [f"WARNING: the host {host.name} does not answer now"]
    if host.apparmor_problem:
        found.append(f"WARNING: containers are not confined by AppArmor: {host.apparmor_problem}")
    return found or None


@endpoint("GET", "/info")
async def info(call: Call) -> Json:
    return Json(await in_thread(_info, call))


def _info(call: Call) -> dict[str, Any]:
    host = call.host
    counted = names.containers(call).order_by().values_list("observed_status").annotate(Count("pk"))
    counts: dict[str, int] = dict(counted)
    running = counts.get(ObservedStatus.RUNNING, 0) + counts.get(ObservedStatus.RESTARTING, 0)
    paused = counts.get(ObservedStatus.PAUSED, 0)
    runtimes = {"portside": {"path": "portside"}} | {
        str(one["name"]): {"path": str(one["name"])} for one in host.runtimes if not one.get("problem")
    }
    total = sum(counts.values())
    return {
        "ID": host.pk,
        "Containers": total,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": total - running - paused,
        "Images": names.images(call).count(),
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "ipvlan", "macvlan", "null"],
            "Authorization": None,
            "Log": ["json-file", "local", "none"],
        },
        "MemoryLimit": True,
        "SwapLimit": not host.swap_problem,
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "CPUShares": True,
        "CPUSet": True,
        "PidsLimit": True,
        "IPv4Forwarding": True,
        "Debug": False,
        "NFd": 0,
        "OomKillDisable": False,
        "NGoroutines": 0,
        "SystemTime": times.rfc3339(datetime.now(UTC)),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if "2" in host.cgroup_version else "1",
        "NEventsListener": 0,
        "KernelVersion": host.kernel,
        "OperatingSystem": host.operating_system,
        "OSVersion": "",
        "OSType": "linux",
        "Architecture": host.architecture,
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": {
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
            "IndexConfigs": {"docker.io": {"Mirrors": [], "Name": "docker.io", "Official": True, "Secure": True}},
            "Mirrors": None,
        },
        "NCPU": host.cores,
        "MemTotal": host.memory_bytes,
        "GenericResources": None,
        "DockerRootDir": "/var/lib/portside",
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": host.name,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": versions.ENGINE,
        "Runtimes": runtimes,
        "DefaultRuntime": "portside",
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False, "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "InitBinary": "portside-init",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": ""},
        "InitCommit": {"ID": ""},
        "SecurityOptions": [
            *(["name=apparmor"] if host.apparmor_profile else []), "name=seccomp,profile=builtin", "name=userns",
        ],
        "ProductLicense": "Apache-2.0",
        "Warnings": _warnings(host),
    }  # fmt: skip
