"""Loading `portside-default`, when a container needs it.

    the kernel lists it, and run/apparmor says that it was this text, this boot ─► nothing to do
    else ─► apparmor_parser --replace ─► run/apparmor

What can't be is no failure to start, unless the profile was asked for by its name: the container runs without, its
state and the host's facts say so, and after a minute it is tried again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import threading
import time
from pathlib import Path

from engine.errors import Unsupported
from engine.runtime import record
from engine.runtime.apparmor import host, profile

ANSWER = "apparmor"
AGAIN_SECONDS = 60.0
LOAD_SECONDS = 60.0
_NONE = "this kernel has no AppArmor"
_one_at_a_time = threading.Lock()


def applied(wanted: str, run: Path, *, is_required: bool = False) -> str:
    """The profile that a process gets: `wanted`, but none where that is ours and can't be had, and none for none.

    `run`: the home's directory for what a boot forgets. Raises Unsupported for one that `is_required` and can't be had.
    """
    if wanted != profile.NAME:
        return wanted
    if not host.is_enabled():
        if is_required:
            raise refusal(_NONE)
        return ""
    if _is_there(run):
        return wanted
    with _one_at_a_time:
        if _is_there(run):
            return wanted
        why, since = _answer(run)
        if not why or time.time() - since > AGAIN_SECONDS:
            why = _load()
            _note(run, why)
    if why and is_required:
        raise refusal(why)
    return "" if why else wanted


def refusal(why: str) -> Unsupported:
    """For who has asked for the profile by its name, and can't have it: `why`, and what to do."""
    text = f"security_opt: apparmor={profile.NAME}: {why}; or leave it out, to run without it where it can't be had"
    return Unsupported(text, {"field": "security_opt"})


def shown(given: str) -> str:
    """As Docker's inspect names it: "unconfined" for none, and nothing at all where the kernel has no AppArmor."""
    return (given or "unconfined") if host.is_enabled() else ""


def problem(run: Path) -> str:
    """Why containers go without `portside-default`, for people; empty where they don't, or no AppArmor is."""
    if not host.is_enabled():
        return ""
    return obstacle() or _answer(run)[0]


def _is_there(run: Path) -> bool:
    loaded = host.loaded() if host.is_enabled() else None
    return loaded is not None and profile.NAME in loaded and _read(run) == _mark()


def _load() -> str:
    """Why it can't be; empty when the kernel has it."""
    if not host.is_enabled():
        return _NONE
    parser = host.parser()
    if why := obstacle():
        return why
    assert parser is not None
    try:
        done = subprocess.run(
            [parser, "--replace", "--skip-cache"],
            input=profile.text().encode(), capture_output=True, timeout=LOAD_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return f"{parser} could not be run: {error}"
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[:300]
        return f"{parser} did not load {profile.NAME}: {said or f'exit code {done.returncode}'}"
    return ""


def obstacle() -> str:
    """What keeps this host from loading it, whatever it holds, and how to mend that; empty for nothing."""
    if host.parser() is None:
        return "there is no apparmor_parser on this host: install it (Debian's and Ubuntu's package apparmor)"
    if host.loaded() is None:
        return "/sys/kernel/security is not mounted: mount -t securityfs securityfs /sys/kernel/security"
    return ""


def _mark() -> str:
    """What run/apparmor holds when all is well: this boot, and this text."""
    return f"{record.boot_id()} {hashlib.sha256(profile.text().encode()).hexdigest()}\n"


def _note(run: Path, why: str) -> None:
    if why == _NONE:
        return
    with contextlib.suppress(OSError):
        run.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = run / f"{ANSWER}.new.{os.getpid()}"
        new.write_text(f"{record.boot_id()} {why}\n" if why else _mark())
        os.rename(new, run / ANSWER)


def _answer(run: Path) -> tuple[str, float]:
    """(why it couldn't be loaded this boot, when that was found); empty for what went well or wasn't tried."""
    boot, _, rest = _read(run).rstrip("\n").partition(" ")
    if boot != record.boot_id() or " " not in rest:  # a digest is one word
        return "", 0.0
    with contextlib.suppress(OSError):
        return rest, (run / ANSWER).stat().st_mtime
    return "", 0.0


def _read(run: Path) -> str:
    try:
        return (run / ANSWER).read_text()
    except OSError:
        return ""
