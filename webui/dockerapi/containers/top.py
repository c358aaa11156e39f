"""`GET /containers/{id}/top`: the processes of a container, in the columns that `ps` would show.

No `ps` runs: the host tells what its own kernel says, and the columns that a client asks for are made of that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import Conflict, InvalidArgument
from webui.containers.models import Container
from webui.containers.questions import TELL, TOP
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers.attaching import operable
from webui.dockerapi.containers.states import ALIVE, state_of
from webui.dockerapi.routing import endpoint
from webui.live.asking import ask
from webui.live.loop import in_thread
from webui.live.pool import broker

Process = Mapping[str, Any]


def _clock(seconds: float) -> str:
    days, whole = divmod(int(seconds), 86400)
    return f"{f'{days}-' if days else ''}{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _minutes(seconds: float) -> str:
    """As `ps aux` tells of processor time."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _elapsed(process: Process) -> str:
    return _clock(max(0.0, time.time() - process["started_at"])).removeprefix("00:")


def _began(process: Process) -> str:
    return time.strftime("%H:%M", time.localtime(process["started_at"]))


def _letter(process: Process) -> str:
    """As proc_pid_stat(5) has it; the host tells the word."""
    return _LETTERS.get(process["state"], process["state"][:1].upper())


def _share(process: Process) -> str:
    return f"{100 * process['memory_bytes'] / max(1, process['host_memory_bytes']):.1f}"


_LETTERS = {"waiting for the disk": "D", "stopped": "T", "traced": "t"}
COLUMNS: dict[str, tuple[str, Callable[[Process], str]]] = {
    "pid": ("PID", lambda one: str(one["host_pid"])),
    "ppid": ("PPID", lambda one: str(one.get("host_parent", 0))),
    "user": ("USER", lambda one: one["user"]),
    "uid": ("UID", lambda one: one["user"]),
    "comm": ("COMMAND", lambda one: one["command"].split(" ")[0].rsplit("/", 1)[-1]),
    "ucmd": ("CMD", lambda one: one["command"].split(" ")[0].rsplit("/", 1)[-1]),
    "args": ("COMMAND", lambda one: one["command"]),
    "cmd": ("CMD", lambda one: one["command"]),
    "command": ("COMMAND", lambda one: one["command"]),
    "pcpu": ("%CPU", lambda one: f"{one['cpu_percent']:.1f}"),
    "%cpu": ("%CPU", lambda one: f"{one['cpu_percent']:.1f}"),
    "c": ("C", lambda one: str(int(one["cpu_percent"]))),
    "pmem": ("%MEM", _share),
    "%mem": ("%MEM", _share),
    "vsz": ("VSZ", lambda one: str(one.get("virtual_bytes", 0) >> 10)),
    "vsize": ("VSZ", lambda one: str(one.get("virtual_bytes", 0) >> 10)),
    "rss": ("RSS", lambda one: str(one["memory_bytes"] >> 10)),
    "time": ("TIME", lambda one: _clock(one["cpu_seconds"])),
    "cputime": ("TIME", lambda one: _clock(one["cpu_seconds"])),
    "bsdtime": ("TIME", lambda one: _minutes(one["cpu_seconds"])),
    "stime": ("STIME", _began),
    "start": ("STARTED", _began),
    "start_time": ("START", _began),
    "etime": ("ELAPSED", _elapsed),
    "stat": ("STAT", _letter),
    "s": ("S", _letter),
    "state": ("S", _letter),
    "nlwp": ("NLWP", lambda one: str(one["threads"])),
    "tty": ("TTY", lambda one: "?"),
}
FULL = ("uid", "pid", "ppid", "c", "stime", "tty", "time", "cmd")
"""`ps -ef`"""
BSD = ("user", "pid", "pcpu", "pmem", "vsz", "rss", "tty", "stat", "start_time", "bsdtime", "command")
"""`ps aux`"""
_LISTED = re.compile(r"(?:-[A-Za-z]*?o|[A-Za-z]*?o|--format=?)(.*)")
PLAIN = ("pid", "tty", "time", "ucmd")


@endpoint("GET", "/containers/{name:path}/top")
async def container_top(call: Call) -> Json:
    columns = columns_of(call.text("ps_args"))
    container: Container = await in_thread(operable, call, call["name"])
    if state_of(container) not in ALIVE:
        raise Conflict(f"container {container.pk} is not running")
    told = await ask(broker(), container, TOP, TELL)
    memory = container.host.memory_bytes
    rows = [{**one, "host_memory_bytes": memory} for one in told["processes"]]
    return Json(
        {
            "Titles": [title for title, _ in columns],
            "Processes": [[read(row) for _, read in columns] for row in rows],
        }
    )


def columns_of(arguments: str) -> list[tuple[str, Callable[[Process], str]]]:
    """Titles and values that `ps` would show with these arguments. Raises InvalidArgument for a column nobody knows."""
    words = arguments.split() or ["-ef"]
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        if (found := _LISTED.fullmatch(word)) is not None:
            names += [name for name in (found[1] or next(rest, "")).split(",") if name]
    if not names:
        names = list(FULL if any("f" in word for word in words) else BSD if "u" in words[0] else PLAIN)
    columns = []
    for name in names:
        key, _, title = name.lower().partition("=")
        if key not in COLUMNS:
            raise InvalidArgument(f"ps: unknown column {name[:40]!r}: use {', '.join(COLUMNS)}")
        columns.append((title.upper() or COLUMNS[key][0], COLUMNS[key][1]))
    if not any(title == "PID" for title, _ in columns):
        raise InvalidArgument("Couldn't find PID field in ps output")
    return columns
