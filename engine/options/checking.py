"""Every option of a request, with a sentence for each that can't work on any machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.oci import signals
from engine.oci.platform import Platform
from engine.options import (
    capabilities,
    devices,
    healthcheck,
    log_options,
    modes,
    mounts,
    networks,
    ports,
    seccomp,
    security,
    storage_options,
    values,
    volume_options,
)
from engine.options.changing import RATES
from engine.options.wishes import Wishes

Problem = tuple[str, str]
"""The field's name, and a sentence."""

USERNS = ("auto", "host")
RUNTIME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
LIST_MAXIMUM = 200
MEMORY_MINIMUM = 6 << 20
PULL = ("missing", "always", "never")
ANNOTATION_MAXIMUM = 4096
RT_PERIOD, RT_PERIOD_MAXIMUM = 1_000_000, 10_000_000
"""Microseconds: that of every group (Linux Documentation/scheduler/sched-rt-group.rst), and ours."""
_GROUP = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SIZE_MAXIMUM = 1 << 60
_LISTS: dict[str, Callable[[str], object]] = {
    "cap_add": capabilities.name_of,
    "cap_drop": capabilities.name_of,
    "devices": devices.device,
    "device_cgroup_rules": devices.rule,
    "ulimits": values.ulimit,
    "tmpfs": values.tmpfs,
    "volumes": mounts.volume,
    "mounts": volume_options.mount,
    "volumes_from": mounts.volumes_from,
    "extra_hosts": values.extra_host,
    "expose": ports.exposed,
    "blkio_weight_device": devices.weight,
    **dict.fromkeys(RATES, devices.throttle),
}


def problems(wishes: Wishes) -> Iterator[Problem]:
    """All that is wrong, in the order of the fields; nothing if the request can work."""
    for name, read in _LISTS.items():
        yield from _list(name, getattr(wishes, name), read)
    yield from _security(wishes)
    yield from _process(wishes)
    yield from _life(wishes)
    yield from _names(wishes)
    yield from _memory(wishes)
    yield from _processors(wishes)
    yield from modes.problems(wishes)
    yield from networks.problems(wishes)
    yield from _image(wishes)
    yield from _log(wishes)
    yield from _storage(wishes)
    if problem := ports.problem_of_address(wishes.publish_address):
        yield "publish_address", problem


def _list(name: str, entries: Sequence[str], read: Callable[[str], object]) -> Iterator[Problem]:
    if len(entries) > LIST_MAXIMUM:
        yield name, f"Give at most {LIST_MAXIMUM} entries."
    for entry in entries[:LIST_MAXIMUM]:
        try:
            read(entry)
        except (InvalidArgument, Unsupported) as error:
            yield name, error.message


def _security(wishes: Wishes) -> Iterator[Problem]:
    if len(wishes.security_opt) > LIST_MAXIMUM:
        yield "security_opt", f"Give at most {LIST_MAXIMUM} entries."
        return
    try:
        found = security.parse(wishes.security_opt)
    except InvalidArgument as error:
        yield "security_opt", error.message
    else:
        wrong = None if found.seccomp in (None, "unconfined") else seccomp.problem(found.seccomp)
        if wrong:
            yield "security_opt", wrong
    if wishes.userns not in USERNS:
        yield "userns", "Choose auto (user ids of its own) or host."
    if not RUNTIME.fullmatch(wishes.runtime):
        yield "runtime", "Give portside, or the name of a runtime that the host has installed, such as crun."


def _process(wishes: Wishes) -> Iterator[Problem]:
    for group in wishes.group_add:
        if not _GROUP.fullmatch(group):
            yield "group_add", f"{group[:40]!r} is no group: give a name or a number."
    for name, value in wishes.sysctls.items():
        try:
            values.sysctl(name)
        except InvalidArgument as error:
            yield "sysctls", error.message
        if not value or "\0" in value or "\n" in value or len(value) > 4096:
            yield "sysctls", f"{name[:60]}: give a value of one line."
    if wishes.stdin_once and not wishes.stdin_open:
        yield "stdin_once", "There is no input that could end: give stdin_open as well, or leave this out."
    kinds = [text.partition("=")[0].strip().lower() for text in wishes.ulimits]
    yield from (
        ("ulimits", f"{kind[:40]} is given twice.") for kind in sorted({k for k in kinds if kinds.count(k) > 1})
    )
    yield from _places(wishes)
    if wishes.shm_size is not None and not 4096 <= wishes.shm_size < _SIZE_MAXIMUM:
        yield "shm_size", "Give at least 4096 bytes, or leave it out for 64 MiB."
    if wishes.stop_signal is not None:
        try:
            signals.parse(wishes.stop_signal)
        except InvalidArgument:
            yield (
                "stop_signal",
                f"{wishes.stop_signal[:40]!r} is not a signal: give a name such as SIGINT, or a number.",
            )
    if wishes.stop_timeout is not None and not -1 <= wishes.stop_timeout <= 86_400:
        yield "stop_timeout", "Give 0 to 86400 seconds, or -1 to wait for ever."


def _places(wishes: Wishes) -> Iterator[Problem]:
    """One thing at each place."""
    memory = [text.partition(":")[0].rstrip("/") for text in wishes.tmpfs]
    yield from (
        ("tmpfs", f"{path[:80]} is given twice.") for path in sorted({p for p in memory if memory.count(p) > 1})
    )
    for name, texts in (("volumes", (wishes.volumes, ())), ("mounts", ((), wishes.mounts))):
        own = mounts.targets(*texts)
        others = {*memory, *(mounts.targets(wishes.volumes, ()) if name == "mounts" else ())}
        for path in sorted({p for p in own if own.count(p) > 1 or p in others}):
            yield name, f"Two things can't be mounted at {path[:80]}: leave one of them out."
    if wishes.volume_driver not in (None, "", mounts.LOCAL):
        yield "volume_driver", f"There is no volume driver {wishes.volume_driver[:40]!r} here: leave it out for local."


def _life(wishes: Wishes) -> Iterator[Problem]:
    if wishes.auto_remove and wishes.restart != "no":
        yield "auto_remove", "What is removed when it ends can't be restarted: choose restart: no, or leave this out."
    yield from (("healthcheck", sentence) for sentence in healthcheck.problems(wishes.healthcheck))
    if wishes.restart_unhealthy and wishes.auto_remove:
        yield "restart_unhealthy", "What is removed when it ends can't be restarted: leave one of the two out."
    if wishes.restart_unhealthy and list((wishes.healthcheck or {}).get("test") or []) == [healthcheck.NONE]:
        yield "restart_unhealthy", "Without a health check nothing turns unhealthy: give one, or leave this out."
    if len(wishes.depends_on) > LIST_MAXIMUM:
        yield "depends_on", f"Give at most {LIST_MAXIMUM} entries."
    for name in wishes.depends_on:
        if not NAME.fullmatch(name):
            yield "depends_on", f"{name[:40]!r} is no container's name."


def _names(wishes: Wishes) -> Iterator[Problem]:
    if wishes.domainname is not None and (len(wishes.domainname) > 63 or not values.is_host(wishes.domainname)):
        yield "domainname", "Use 1 to 63 letters, digits, . and -."
    for name in ("dns", "dns_search", "dns_options"):
        if len(getattr(wishes, name)) > 64:
            yield name, "Give at most 64 entries."
    for server in wishes.dns:
        if not values.is_address(server):
            yield "dns", f"{server[:60]!r} is no address: give the name server's IP address, such as 9.9.9.9."
    for domain in wishes.dns_search:
        if domain != "." and not values.is_host(domain):
            yield "dns_search", f"{domain[:60]!r} is no domain: give one such as example.org, or . for none."
    for option in wishes.dns_options:
        if not option or not option.isprintable() or " " in option or len(option) > 64:
            yield "dns_options", f"{option[:60]!r} is no resolver option: ndots:2 is one (resolv.conf(5))."


def _image(wishes: Wishes) -> Iterator[Problem]:
    if wishes.pull not in PULL:
        yield "pull", f"Choose {', '.join(PULL[:-1])} or {PULL[-1]}."
    if wishes.platform is not None:
        try:
            Platform.parse(wishes.platform)
        except InvalidArgument as error:
            yield "platform", error.message
    if len(wishes.annotations) > LIST_MAXIMUM:
        yield "annotations", f"Give at most {LIST_MAXIMUM} entries."
    for name, value in wishes.annotations.items():
        if not name or "\0" in name + value or len(name) + len(value) > ANNOTATION_MAXIMUM:
            yield "annotations", f"{name[:60]!r}: give a name and a value of at most {ANNOTATION_MAXIMUM} characters."
        elif name.startswith("portside."):
            yield "annotations", f"{name[:60]!r}: names that begin with portside. are Portside's own."


def _log(wishes: Wishes) -> Iterator[Problem]:
    try:
        log_options.read(wishes.log_driver, {})
    except EngineError as error:
        yield "log_driver", error.message
        return
    try:
        log_options.read(wishes.log_driver, wishes.log_opt)
    except EngineError as error:
        yield "log_opt", error.message


def _storage(wishes: Wishes) -> Iterator[Problem]:
    try:
        storage_options.read(wishes.storage_opt)
    except EngineError as error:
        yield "storage_opt", error.message


def _memory(wishes: Wishes) -> Iterator[Problem]:
    limit, reservation, swap = wishes.memory_bytes, wishes.memory_reservation, wishes.memory_swap
    if reservation is not None and not MEMORY_MINIMUM <= reservation < _SIZE_MAXIMUM:
        yield "memory_reservation", f"Give at least {MEMORY_MINIMUM} bytes (6 MiB), or leave it out."
    elif reservation is not None and limit is not None and reservation > limit:
        yield "memory_reservation", "It can't be more than the memory limit."
    if swap is not None and limit is None:
        yield "memory_swap", "It goes only with a memory limit, which it contains."
    elif swap is not None and limit is not None and swap != -1 and not limit <= swap < _SIZE_MAXIMUM:
        yield "memory_swap", "It is memory and swap together: at least the memory limit, or -1 for any amount of swap."
    if wishes.memory_swappiness is not None and not -1 <= wishes.memory_swappiness <= 100:
        yield "memory_swappiness", "Give 0 (swap as little as can be) to 100, or -1 for the host's own."
    if wishes.oom_score_adj is not None and not -1000 <= wishes.oom_score_adj <= 1000:
        yield "oom_score_adj", "Give -1000 (never killed) to 1000 (killed first)."
    if wishes.oom_kill_disable and limit is None:
        yield "oom_kill_disable", "Without a memory limit the whole machine would hang: give one, or leave this out."


def _processors(wishes: Wishes) -> Iterator[Problem]:
    quota, period = wishes.cpu_quota, wishes.cpu_period
    if wishes.cpus is not None and (quota is not None or period is not None):
        yield "cpus", "It says the same as cpu_quota and cpu_period: give one or the other."
    if wishes.cpu_shares is not None and not 2 <= wishes.cpu_shares <= 262_144:
        yield "cpu_shares", "Give 2 to 262144; 1024 is what every container has."
    if quota is not None and quota != -1 and not 1000 <= quota < 1 << 40:
        yield "cpu_quota", "Give at least 1000 microseconds, or -1 for no limit."
    if period is not None and not 1000 <= period <= 1_000_000:
        yield "cpu_period", "Give 1000 to 1000000 microseconds; 100000 is usual."
    yield from _real_time(wishes.cpu_rt_runtime, wishes.cpu_rt_period)
    for name in ("cpuset_cpus", "cpuset_mems"):
        text = getattr(wishes, name)
        if text is not None and not values.is_cpu_list(text):
            yield name, f"{text[:60]!r}: give numbers and ranges, such as 0-3,6."
    if wishes.blkio_weight is not None and not 10 <= wishes.blkio_weight <= 1000:
        yield "blkio_weight", "Give 10 to 1000."


def _real_time(runtime: int | None, period: int | None) -> Iterator[Problem]:
    if period is not None and not 1000 <= period <= RT_PERIOD_MAXIMUM:
        yield "cpu_rt_period", f"Give 1000 to {RT_PERIOD_MAXIMUM} microseconds; {RT_PERIOD} is usual."
    elif runtime is not None and not 1 <= runtime <= (period or RT_PERIOD):
        yield "cpu_rt_runtime", f"Give 1 to {period or RT_PERIOD} microseconds: it is a part of cpu_rt_period."
