"""run and exec, as far as they outlast the start: waiting, signals handed on, a terminal relayed."""

from __future__ import annotations

import os

from engine.bare import contextlib, signal
from engine.runtime import kernel
from engine.runtime.oci import bundle as bundles
from engine.runtime.oci.state import Container, write_pid_file
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.oci.runtime_process import Process
    from engine.runtime.oci import creation
    from engine.runtime.oci.command_line import Log, Options
    from engine.runtime.oci.relay import Relay

_KEPT = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGPIPE)
_HIGHEST_ID = (1 << 32) - 2  # the one above means "no change" to setresuid(2)
_CAPABILITY_SETS = ("bounding", "effective", "permitted")


def run(request: creation.Request, log: Log, *, detach: bool, keep: bool) -> int:
    """Create and start; in the foreground wait, delete, and return the process's exit code."""
    from engine.runtime.oci import creation, ending, starting

    kernel.prctl("subreaper", kernel.PR_SET_CHILD_SUBREAPER, 0 if detach else 1)
    spec, relay = request.spec, None
    if spec.process is not None and spec.process.terminal and not request.console_socket:
        if detach:
            raise Failure("invalid_argument", "process.terminal: --detach needs --console-socket")
        relay = _relay()
    if not detach:
        hold_signals()
    container = creation.create(request, relay.theirs if relay else None)
    try:
        for problem in starting.start(container):
            log.say("warning", problem)
    except BaseException:
        _discard(container)
        raise
    if detach:
        return 0
    code = wait(container.pid, relay)
    if not keep:
        with contextlib.suppress(Failure):
            for problem in ending.delete(container, force=True):
                log.say("warning", problem)
    return code


def _relay() -> Relay:
    """With all that a terminal takes: in the child it could not be loaded any more."""
    from engine.runtime.oci import console, relay

    assert console
    return relay.Relay()


def _discard(container: Container) -> None:
    from engine.runtime.oci import ending

    with contextlib.suppress(Failure):
        ending.delete(container, force=True)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(container.pid, os.WNOHANG)


def hold_signals() -> None:
    """What comes before there is somebody to hand it on to, waits until `wait`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - set(_KEPT))


def wait(pid: int, relay: Relay | None) -> int:
    """Until the child `pid` has ended: hand on signals, relay its terminal. Its exit code, 128 + n after signal n."""
    for number in signal.valid_signals() - set(_KEPT):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, lambda got, _: _hand_on(pid, got))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    pidfd = os.pidfd_open(pid)
    if relay is not None:
        relay.run(pidfd)
    else:
        import select

        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        while not poll.poll():
            pass
    os.close(pidfd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def _hand_on(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def exec_(container: Container, options: Options, words: list[str], log: Log) -> int:
    """One more process; waits for it unless --detach."""
    from engine.runtime.oci import feasible, filters, guarded, joining, preserved, shield

    try:
        spec, document = bundles.load(container.directory)
    except Failure:
        Container.load(container.root, container.id)  # says so if it was deleted meanwhile
        raise
    if guarded.is_watched(container.directory, spec):
        shield.forget_environment()
    if options.get("process"):
        process = bundles.load_process(options["process"], log.warn)
    else:
        process = _process(document, options, words, log)
    kept = preserved.of_options(options.get("preserve-fds", "0"))  # --process may be one of those that it closes
    feasible.check_process(process)
    detach = bool(options.get("detach"))
    if options.get("console-socket") and not process.terminal:
        raise Failure("invalid_argument", "--console-socket: there is no terminal without --tty or process.terminal")
    relay = handler = None
    if process.terminal:
        from engine.runtime.oci import console

        if options.get("console-socket"):
            handler = console.connect(options["console-socket"])
        elif detach:
            raise Failure("invalid_argument", "process.terminal: --detach needs --console-socket")
        else:
            relay = _relay()
            handler = relay.theirs
    seccomp = (document.get("linux") or {}).get("seccomp")
    program = filters.filter_program(options["root"], seccomp) if seccomp else None
    if not detach:
        hold_signals()
    pid = joining.execute(
        container, spec, process, filter_program=program, preserved=kept, terminal=handler,
        below=_sub_groups(options.get("cgroup", [])), although_paused=bool(options.get("ignore-paused")),
    )  # fmt: skip
    if options.get("pid-file"):
        try:
            write_pid_file(options["pid-file"], pid)
        except Failure:  # a process that nobody knows of must not stay
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
    return 0 if detach else wait(pid, relay)


def _process(document: dict[str, Any], options: Options, words: list[str], log: Log) -> Process:
    """The container's own with what the options change."""
    if not words:
        raise Failure("invalid_argument", "exec needs a command, or --process")
    process: dict[str, Any] = {**(document.get("process") or {}), "args": words}
    process["terminal"] = bool(options.get("tty"))
    if options.get("cwd"):
        process["cwd"] = options["cwd"]
    if options.get("env"):
        process["env"] = [*(process.get("env") or []), *options["env"]]
    if options.get("no-new-privs"):
        process["noNewPrivileges"] = True
    if options.get("apparmor"):
        process["apparmorProfile"] = options["apparmor"]
    if options.get("process-label"):
        process["selinuxLabel"] = options["process-label"]
    user = dict(process.get("user") or {})
    if options.get("user"):
        uid, _, gid = options["user"].partition(":")
        user["uid"] = _number(uid, "--user")
        if gid:
            user["gid"] = _number(gid, "--user")
    if options.get("additional-gids"):
        user["additionalGids"] = [_number(gid, "--additional-gids") for gid in options["additional-gids"]]
    process["user"] = user
    if options.get("cap"):
        sets = dict(process.get("capabilities") or {})
        for name in _CAPABILITY_SETS:
            sets[name] = list(dict.fromkeys([*(sets.get(name) or []), *options["cap"]]))
        if sets.get("inheritable"):  # without that no ambient one can be, and --cap does not touch it: as runc
            sets["ambient"] = [*(sets.get("ambient") or []), *options["cap"]]
        process["capabilities"] = sets
    return bundles.read_process(process, log.warn)


def _sub_groups(texts: list[str]) -> dict[str, str]:
    """--cgroup [controller[,controller]:]path → path below the container's own group by controller; "" for all."""
    found = {}
    for text in texts:
        controllers, colon, path = text.rpartition(":")
        if ".." in path.split("/"):
            raise Failure("invalid_argument", f"--cgroup: bad sub cgroup path {path!r}: it must not contain ..")
        for controller in controllers.split(",") if colon else [""]:
            found[controller] = path.strip("/")
    return found


def _number(text: str, option: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Failure("invalid_argument", f"{option}: {text!r} is not a number")
    if int(text) > _HIGHEST_ID:
        raise Failure("invalid_argument", f"{option}: must be from 0 to {_HIGHEST_ID}, not {text}")
    return int(text)
