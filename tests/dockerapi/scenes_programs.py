"""What can't be started, and what is asked for in vain."""

from __future__ import annotations

from tests.dockerapi.scene import OUR_WORDS, Scene

_LIMITS = "{{.HostConfig.NanoCpus}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}}"
_ATTACHED = "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}}"

PROGRAMS: dict[str, Scene] = {
    "programs that can't be started": Scene(
        (
            ("build", "-q", "-t", "cmp/odd", "-"),
            ("run", "--rm", "cmp/odd", "plain"),
            ("run", "--rm", "cmp/odd", "/bin/plain"),
            ("run", "--rm", "cmp/odd", "/nosuch"),
            ("run", "--rm", "cmp/odd", "./nosuch"),
            ("run", "--rm", "cmp/odd", "/bin/sh/x"),
            ("run", "--rm", "cmp/odd", "/etc"),
            ("run", "--rm", "cmp/odd", "test", "-f", "/.dockerenv"),
            ("rmi", "cmp/odd"),
        ),
        stdin={0: b"FROM cmp/tiny\nRUN echo exit 1 > /bin/plain\n"},
        differs=dict.fromkeys((1, 2, 3, 4, 5, 6, 8), OUR_WORDS),
    ),
    "limits of processors": Scene(
        (
            ("create", "--name", "cmp-limited", "--cpus", "0.5", "cmp/tiny", "true"),
            ("update", "--cpu-quota", "20000", "cmp-limited"),
            ("update", "--cpu-period", "50000", "cmp-limited"),
            ("inspect", "-f", _LIMITS, "cmp-limited"),
            ("update", "--cpus", "1", "cmp-limited"),
            ("inspect", "-f", _LIMITS, "cmp-limited"),
            ("rm", "cmp-limited"),
            ("create", "--name", "cmp-limited", "--cpu-quota", "20000", "cmp/tiny", "true"),
            ("update", "--cpus", "1", "cmp-limited"),
            ("update", "--cpu-quota", "30000", "--cpu-period", "50000", "cmp-limited"),
            ("inspect", "-f", _LIMITS, "cmp-limited"),
            ("rm", "cmp-limited"),
        ),
        differs={1: OUR_WORDS, 2: OUR_WORDS, 8: OUR_WORDS},
    ),
    "streams to be attached": Scene(
        (
            ("create", "--name", "cmp-a", "cmp/tiny", "true"),
            ("inspect", "-f", _ATTACHED, "cmp-a"),
            ("create", "--name", "cmp-b", "-i", "cmp/tiny", "true"),
            ("inspect", "-f", _ATTACHED, "cmp-b"),
            ("create", "--name", "cmp-c", "-a", "stdout", "cmp/tiny", "true"),
            ("inspect", "-f", _ATTACHED, "cmp-c"),
            ("run", "-d", "--name", "cmp-d", "cmp/tiny", "true"),
            ("inspect", "-f", _ATTACHED, "cmp-d"),
            ("rm", "-f", "cmp-a", "cmp-b", "cmp-c", "cmp-d"),
        ),
    ),
    "build arguments that nobody asks for": Scene(
        (
            (
                "build", "--no-cache", "--build-arg", "WHO=you", "--build-arg", "B=1", "--build-arg", "A=1",
                "{contexts}/asked",
            ),
            ("build", "--no-cache", "--build-arg", "HTTP_PROXY=http://127.0.0.1:9", "{contexts}/asked"),
        ),
    ),
}  # fmt: skip
