"""From a request's options to the limits that its control groups hold."""

from __future__ import annotations

from engine.cgroups import Resources
from engine.containers import host_devices
from engine.containers.spec import ContainerSpec
from engine.options import capabilities, devices
from engine.runtime.defaults import PIDS_LIMIT

UNLIMITED = -1


def resources(spec: ContainerSpec) -> Resources:
    """Processes are always limited unless asked otherwise, so that a fork bomb stays one container's trouble.

    Raises InvalidArgument, with the field's name, for a device that this host hasn't.
    """
    pids = PIDS_LIMIT if spec.pids_limit is None else spec.pids_limit
    return Resources(
        memory_bytes=spec.memory_bytes,
        cpus=spec.cpus,
        pids_limit=None if pids == UNLIMITED else pids,
        memory_reservation=spec.memory_reservation,
        memory_swap=spec.memory_swap,
        oom_kill_disable=spec.oom_kill_disable,
        cpu_shares=spec.cpu_shares,
        cpu_quota=spec.cpu_quota,
        cpu_period=spec.cpu_period,
        cpu_rt_runtime=spec.cpu_rt_runtime,
        cpu_rt_period=spec.cpu_rt_period,
        cpuset_cpus=spec.cpuset_cpus,
        cpuset_mems=spec.cpuset_mems,
        blkio_weight=spec.blkio_weight,
        throttles=tuple(_throttles(spec)),
        memory_swappiness=spec.memory_swappiness,
        disk_weights=tuple(
            (host_devices.disk(entry.path, "blkio_weight_device"), entry.rate)
            for entry in map(devices.weight, spec.blkio_weight_device)
        ),
        device_rules=(*host_devices.rules(spec.devices), *map(_rule, spec.device_cgroup_rules)),
        all_devices=spec.privileged,
    )


def needs_device_list(spec: ContainerSpec) -> bool:
    """Whether version 2, which has no list by itself, needs one: the container can make or has device nodes."""
    makes_nodes = "MKNOD" in capabilities.kept(spec.cap_add, spec.cap_drop)
    return not spec.privileged and (makes_nodes or bool(spec.devices or spec.device_cgroup_rules))


def _throttles(spec: ContainerSpec) -> list[tuple[str, str, int]]:
    found = []
    for kind in ("read_bps", "write_bps", "read_iops", "write_iops"):
        field = f"device_{kind}"
        for entry in map(devices.throttle, getattr(spec, field)):
            found.append((kind, host_devices.disk(entry.path, field), entry.rate))
    return found


def _rule(text: str) -> str:
    rule = devices.rule(text)
    numbers = ":".join("*" if number is None else str(number) for number in (rule.major, rule.minor))
    return f"{rule.kind} {numbers} {rule.permissions}"
