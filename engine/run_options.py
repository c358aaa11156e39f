"""The words of `docker run` on the command line: a table of flags, and what they say as the fields of a request.

The engine's command line and the site's client read them alike: of the engine, only words and errors are known here.
Flags that are about the one who runs alone (--detach, --cidfile …) are read here and acted on by that.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.errors import InvalidArgument, Unsupported
from engine.options import refused, variables
from engine.options.changing import LIMITS
from engine.options.detach_keys import DETACH_KEYS
from engine.options.typed import port_mappings, restart_policy, seconds, size


class Flag(NamedTuple):
    """`field`: of ContainerSpec; `kind`: each, yes, text, whole, number or size."""

    name: str
    field: str
    kind: str
    short: str = ""


FLAGS = (
    Flag("add-host", "extra_hosts", "each"),
    Flag("blkio-weight", "blkio_weight", "whole"),
    Flag("blkio-weight-device", "blkio_weight_device", "each"),
    Flag("cap-add", "cap_add", "each"),
    Flag("cap-drop", "cap_drop", "each"),
    Flag("cgroupns", "cgroupns", "text"),
    Flag("cpu-period", "cpu_period", "whole"),
    Flag("cpu-quota", "cpu_quota", "whole"),
    Flag("cpu-rt-period", "cpu_rt_period", "whole"),
    Flag("cpu-rt-runtime", "cpu_rt_runtime", "whole"),
    Flag("cpu-shares", "cpu_shares", "whole", "-c"),
    Flag("cpus", "cpus", "number"),
    Flag("cpuset-cpus", "cpuset_cpus", "text"),
    Flag("cpuset-mems", "cpuset_mems", "text"),
    Flag("device", "devices", "each"),
    Flag("device-cgroup-rule", "device_cgroup_rules", "each"),
    Flag("device-read-bps", "device_read_bps", "each size"),
    Flag("device-read-iops", "device_read_iops", "each"),
    Flag("device-write-bps", "device_write_bps", "each size"),
    Flag("device-write-iops", "device_write_iops", "each"),
    Flag("dns", "dns", "each"),
    Flag("dns-option", "dns_options", "each"),
    Flag("dns-search", "dns_search", "each"),
    Flag("domainname", "domainname", "text"),
    Flag("expose", "expose", "each"),
    Flag("group-add", "group_add", "each"),
    Flag("hostname", "hostname", "text", "-h"),
    Flag("init", "init", "yes"),
    Flag("ip", "ip", "text"),
    Flag("ip6", "ip6", "text"),
    Flag("ipc", "ipc", "text"),
    Flag("link", "link", "each"),
    Flag("log-driver", "log_driver", "text"),
    Flag("mac-address", "mac_address", "text"),
    Flag("memory", "memory_bytes", "size", "-m"),
    Flag("memory-reservation", "memory_reservation", "size"),
    Flag("memory-swap", "memory_swap", "size"),
    Flag("memory-swappiness", "memory_swappiness", "whole"),
    Flag("mount", "mounts", "each"),
    Flag("network", "network", "each"),
    Flag("network-alias", "network_alias", "each"),
    Flag("oom-kill-disable", "oom_kill_disable", "yes"),
    Flag("oom-score-adj", "oom_score_adj", "whole"),
    Flag("pid", "pid", "text"),
    Flag("pids-limit", "pids_limit", "whole"),
    Flag("platform", "platform", "text"),
    Flag("privileged", "privileged", "yes"),
    Flag("publish-all", "publish_all", "yes", "-P"),
    Flag("pull", "pull", "text"),
    Flag("read-only", "read_only", "yes"),
    Flag("runtime", "runtime", "text"),
    Flag("security-opt", "security_opt", "each"),
    Flag("shm-size", "shm_size", "size"),
    Flag("stop-signal", "stop_signal", "text"),
    Flag("stop-timeout", "stop_timeout", "whole"),
    Flag("tmpfs", "tmpfs", "each"),
    Flag("tty", "tty", "yes", "-t"),
    Flag("ulimit", "ulimits", "each"),
    Flag("user", "user", "text", "-u"),
    Flag("userns", "userns", "text"),
    Flag("uts", "uts", "text"),
    Flag("volume", "volumes", "each", "-v"),
    Flag("volume-driver", "volume_driver", "text"),
    Flag("volumes-from", "volumes_from", "each"),
    Flag("workdir", "workdir", "text", "-w"),
)
_CHANGEABLE = tuple(flag for flag in FLAGS if flag.field in LIMITS)
_HEALTH = (
    ("health-interval", "interval_seconds"),
    ("health-timeout", "timeout_seconds"),
    ("health-start-period", "start_period_seconds"),
    ("health-start-interval", "start_interval_seconds"),
)
_ALIASES = {"network": ["--net"]}


def add(command: argparse.ArgumentParser) -> None:
    """Give the command every flag of `docker run`; those that aren't taken say why when they are given."""
    command.add_argument("-d", "--detach", action="store_true", help="print the id and return")
    command.add_argument("-a", "--attach", action="append", default=[], choices=("stdin", "stdout", "stderr"))
    command.add_argument("--detach-keys", default=DETACH_KEYS, metavar="KEYS")
    command.add_argument("--sig-proxy", default="true", choices=("true", "false"), help="hand signals on (true)")
    command.add_argument("--rm", action="store_true", help="remove it when it has ended")
    command.add_argument("--cidfile", metavar="FILE", help="write its id to a file that doesn't exist yet")
    command.add_argument("-q", "--quiet", action="store_true", help="tell nothing of a pull")
    _add_wishes(command)
    command.add_argument("image")
    command.add_argument("command", nargs=argparse.REMAINDER)


def add_recreate(command: argparse.ArgumentParser) -> None:
    """Those of a run that are about the container; nothing is said by default, and --no-… takes a flag away."""
    _add_wishes(command, is_change=True)
    command.set_defaults(restart=None)
    command.add_argument("--image", help="another image; the same by its name if left out")
    command.add_argument("--command", metavar="LINE", help="another command, as in a shell; '' for the image's own")
    command.add_argument("--env-rm", action="append", default=[], metavar="NAME", help="a variable that is to go")
    command.add_argument("--label-rm", action="append", default=[], metavar="NAME", help="a label that is to go")
    command.add_argument("names", nargs="+", metavar="CONTAINER")


def _add_wishes(command: argparse.ArgumentParser, *, is_change: bool = False) -> None:
    command.add_argument("--name")
    _add(command, Flag("interactive", "interactive", "yes", "-i"), is_change=is_change)
    command.add_argument("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]")
    command.add_argument("--env-file", action="append", default=[], metavar="FILE")
    command.add_argument("-l", "--label", action="append", default=[], metavar="NAME[=VALUE]")
    command.add_argument("--label-file", action="append", default=[], metavar="FILE")
    command.add_argument("--annotation", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("--log-opt", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("--storage-opt", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("--sysctl", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("--entrypoint", metavar="PROGRAM")
    command.add_argument("-p", "--publish", action="append", default=[], metavar="[[ADDRESS:]HOST:]PORT[/PROTOCOL]")
    command.add_argument("--restart", default="no", metavar="POLICY[:LIMIT]")
    command.add_argument("--health-cmd", metavar="LINE")
    command.add_argument("--health-retries", type=int)
    for name, _ in _HEALTH:
        command.add_argument(f"--{name}", metavar="TIME")
    command.add_argument("--no-healthcheck", action="store_true", help="not even the image's")
    for flag in FLAGS:
        _add(command, flag, is_change=is_change)
    for name in refused.REFUSED:
        _add_refusal(command, name)


def add_update(command: argparse.ArgumentParser) -> None:
    """Those of `docker update`."""
    for flag in _CHANGEABLE:
        _add(command, flag)
    command.add_argument("--restart", metavar="POLICY[:LIMIT]")
    command.add_argument("names", nargs="+")


def changes(options: argparse.Namespace) -> dict[str, Any]:
    """What the flags of an update change. Raises `InvalidArgument`."""
    fields = {flag.field: _value(flag, getattr(options, flag.field)) for flag in _CHANGEABLE}
    policy = {} if options.restart is None else restart_policy(options.restart)
    return {**{name: value for name, value in fields.items() if value not in (None, ())}, **policy}


def add_exec(command: argparse.ArgumentParser) -> None:
    """Those of `docker exec`."""
    command.add_argument("-d", "--detach", action="store_true", help="leave it alone once it runs")
    command.add_argument("-i", "--interactive", action="store_true", help="pass standard input on")
    command.add_argument("-t", "--tty", action="store_true", help="give it a terminal")
    command.add_argument("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]")
    command.add_argument("--env-file", action="append", default=[], metavar="FILE")
    command.add_argument("-u", "--user")
    command.add_argument("-w", "--workdir")
    command.add_argument("--privileged", action="store_true", help="with every capability")
    command.add_argument("--detach-keys", default=DETACH_KEYS, metavar="KEYS", help="leave a terminal, which runs on")
    command.add_argument("name")
    command.add_argument("command", nargs=argparse.REMAINDER)


def variables_of(options: argparse.Namespace) -> dict[str, str]:
    """What --env-file and --env say; the latter counts more. Raises `InvalidArgument`."""
    own = dict(os.environ)
    return {**_files(options.env_file, own), **_pairs(options.env, own)}


def _add_refusal(command: argparse.ArgumentParser, name: str, *flags: str) -> None:
    names = flags or (f"--{name.replace('_', '-')}",)
    command.add_argument(*names, dest=f"refused {name}", action=_Refusal, help=argparse.SUPPRESS)


def _add(command: argparse.ArgumentParser, flag: Flag, *, is_change: bool = False) -> None:
    names = [*([flag.short] if flag.short else []), f"--{flag.name}", *_ALIASES.get(flag.name, [])]
    if flag.kind == "yes" and is_change:
        command.add_argument(*names, dest=flag.field, action=argparse.BooleanOptionalAction)
    elif flag.kind == "yes":
        command.add_argument(*names, dest=flag.field, action="store_true")
    elif flag.kind.startswith("each"):
        command.add_argument(*names, dest=flag.field, action="append", default=[])
    else:
        types: dict[str, Callable[[str], Any]] = {"whole": int, "number": float}
        command.add_argument(*names, dest=flag.field, type=types.get(flag.kind, str))


class _Refusal(argparse.Action):
    def __call__(self, *arguments: Any) -> None:
        raise Unsupported(f"{arguments[3]}: {refused.sentence(self.dest.removeprefix('refused '))}")


def request(options: argparse.Namespace) -> dict[str, Any]:
    """What the flags say, as fields that `ContainerSpec` and REST have alike; without what was not said.

    `name` may be missing; `ports` are objects as in REST, without an address where none was given. --rm is left to who
    runs: it may mean a removal by the host, or by the one who waits for the end. Raises `InvalidArgument`.
    """
    said = {
        **_wishes(options),
        "image": options.image,
        "command": tuple(options.command),
        "stdin_once": options.interactive and not options.detach,
        **restart_policy(options.restart),
    }
    return _without_what_was_not_said(said)


def alterations(options: argparse.Namespace) -> dict[str, Any]:
    """What the flags of a recreation say, as REST has it beside `keep`. Raises `InvalidArgument`."""
    said = _without_what_was_not_said(
        {
            **_wishes(options),
            "image": options.image,
            **({} if options.restart is None else restart_policy(options.restart)),
        }
    )
    if options.network:
        said.setdefault("networks", ())  # those that were named are all
    said["env"] |= dict.fromkeys(options.env_rm)
    said["labels"] |= dict.fromkeys(options.label_rm)
    if options.command is not None:
        try:
            said["command"] = shlex.split(options.command)
        except ValueError as error:
            raise InvalidArgument(f"--command: {error}", {"field": "command"}) from None
    return {name: value for name, value in said.items() if value != {}}


def _wishes(options: argparse.Namespace) -> dict[str, Any]:
    fields = {flag.field: _value(flag, getattr(options, flag.field)) for flag in FLAGS}
    if fields["network"]:
        fields["network"], *further = fields["network"]
        fields["networks"] = tuple(further)
    return fields | {
        "name": options.name,
        "entrypoint": None if options.entrypoint is None else (options.entrypoint,) if options.entrypoint else (),
        "env": variables_of(options),
        "labels": {**_files(options.label_file, None), **_pairs(options.label, None)},
        "annotations": _pairs(options.annotation, None),
        "sysctls": _pairs(options.sysctl, None),
        "log_opt": _pairs(options.log_opt, None),
        "storage_opt": _pairs(options.storage_opt, None),
        "ports": tuple(port for text in options.publish for port in port_mappings(text)),
        "stdin_open": options.interactive,
        "healthcheck": _healthcheck(options),
    }


def _without_what_was_not_said(fields: dict[str, Any]) -> dict[str, Any]:
    emptied = {"entrypoint"}
    return {name: value for name, value in fields.items() if value is not None and (value != () or name in emptied)}


def _value(flag: Flag, value: Any) -> Any:
    if value is None:
        return None
    if flag.kind == "size":
        return -1 if value == "-1" else size(value)
    if flag.kind == "each size":
        return tuple(_rate(text) for text in value)
    if flag.field == "volumes":
        return tuple(_absolute(text) for text in value)
    if flag.field == "security_opt":
        return tuple(_with_profile(text) for text in value)
    return tuple(value) if flag.kind == "each" else value


def _rate(text: str) -> str:
    path, _, rate = text.rpartition(":")
    return f"{path}:{size(rate)}"


def _absolute(text: str) -> str:
    """The engine takes no path that depends on where somebody stands."""
    source, colon, rest = text.partition(":")
    return f"{os.path.abspath(source)}{colon}{rest}" if colon and source.startswith(".") else text


def _with_profile(option: str) -> str:
    """The engine takes a profile's content; here is who has the file."""
    key, sign, value = option.partition("=")
    if key != "seccomp" or not sign or value.startswith("{") or value in ("unconfined", "builtin", "default", ""):
        return option
    return f"seccomp={_text(value)}"


def _healthcheck(options: argparse.Namespace) -> dict[str, Any] | None:
    wish: dict[str, Any] = {}
    if options.no_healthcheck:
        if options.health_cmd is not None:
            raise InvalidArgument("--no-healthcheck and --health-cmd go ill together: leave one of the two out")
        return {"test": ["NONE"]}
    if options.health_cmd is not None:
        wish["test"] = ["CMD-SHELL", options.health_cmd]
    for name, field in _HEALTH:
        text = getattr(options, name.replace("-", "_"))
        if text is not None:
            wish[field] = seconds(text)
    if options.health_retries is not None:
        wish["retries"] = options.health_retries
    return wish or None


def _files(paths: Sequence[str], lookup: dict[str, str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths:
        try:
            found.update(variables.read(_text(path), lookup))
        except InvalidArgument as error:
            raise InvalidArgument(f"{path}: {error.message}") from error
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} can't be read: {error}") from error


def _pairs(entries: Sequence[str], lookup: dict[str, str] | None) -> dict[str, str]:
    """`NAME=value`; a name alone has the value of our own environment, or none."""
    found: dict[str, str] = {}
    for entry in entries:
        name, sign, value = entry.partition("=")
        if sign or lookup is None:
            found[name] = value
        elif name in lookup:
            found[name] = lookup[name]
    return found
