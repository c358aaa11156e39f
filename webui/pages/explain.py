"""Says in plain words why a container is in the state that it is in."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from webui.pages.templatetags.portside import size


@dataclass(frozen=True, slots=True)
class Explanation:
    """`tone` is good, bad, warn or empty; `advice` says what to do next, if there is something to do."""

    tone: str
    title: str
    advice: str = ""


_BY_CODE = {
    126: Explanation(
        "bad",
        "The command could not be run (exit code 126).",
        "The file is there but not executable, or made for another processor. Check its mode and the image's platform.",
    ),
    127: Explanation(
        "bad",
        "The command was not found in the image (exit code 127).",
        "Check its spelling, and that the image has it on its PATH; a script also needs the interpreter of its first "
        "line.",
    ),
}

_BY_SIGNAL = {
    signal.SIGKILL: "Something sent it SIGKILL: kill was pressed, or it ignored the stop signal for the grace period.",
    signal.SIGSEGV: "The program itself crashed: it touched memory that it doesn't have. Its log may say where.",
    signal.SIGABRT: "The program gave up by itself. Its log should say why.",
    signal.SIGTERM: "It was asked to stop, and stopped.",
    signal.SIGINT: "It was asked to stop, and stopped.",
}


def explain(container: dict[str, Any]) -> Explanation | None:
    """`container` in the shape of `container_as_json`; None where the status says all there is to say."""
    status, error = container["status"], container["error"]
    if error and status in ("pending", "creating", "created", "stopped"):
        return _of_error(container, error)
    if status == "restarting" and error:
        return Explanation("warn", f"It will be started again: {error}.")
    if status == "running" and (container.get("health") or {}).get("status") == "unhealthy":
        return Explanation(
            "bad", "It runs, but its health check fails.", "Health, below, shows what the check printed."
        )
    if status == "restarting":
        return Explanation("warn", f"It ended with exit code {container['exit_code']} and will be started again.")
    if status == "paused":
        return Explanation("warn", "All its processes are frozen.", "Resume lets them go on where they were.")
    if status == "stopped":
        return _of_exit(container)
    return None


def state_of(container: dict[str, Any]) -> str:
    """The status a person sees: `failed` for what was asked for and never came to be."""
    if container["status"] in ("pending", "created") and container["error"]:
        return "failed"
    return str(container["status"])


def _of_error(container: dict[str, Any], error: str) -> Explanation:
    known = _BY_CODE.get(container["exit_code"] or 0)
    if known:
        return Explanation("bad", known.title, f"{error.rstrip('.')}. {known.advice}")
    return Explanation("bad", "It could not be started.", error)


def _of_exit(container: dict[str, Any]) -> Explanation | None:
    code = container["exit_code"]
    if container["oom_killed"]:
        limit = container["memory_bytes"]
        which = f"its memory limit of {size(limit)}" if limit else "the memory of the host"
        return Explanation(
            "bad",
            f"The kernel killed it: it reached {which}.",
            "Give it a higher limit, or find what takes the memory: the plot shows how it grew.",
        )
    if code is None:
        return None
    if code == 0:
        return Explanation("good", "It finished by itself with exit code 0: all went well.")
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code > 128 and code - 128 in signal.valid_signals():
        name = signal.Signals(code - 128)
        asked = container["desired_status"] == "stopped" or name in (signal.SIGTERM, signal.SIGINT)
        return Explanation(
            "" if asked else "bad", f"It was ended by {name.name} (exit code {code}).", _BY_SIGNAL.get(name, "")
        )
    return Explanation(
        "bad",
        f"The program ended with exit code {code}.",
        "Its own meaning of that number is in its log, near the end.",
    )
