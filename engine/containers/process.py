"""Image and spec merged into the one process that a container runs, as Docker merges them.

    what the person gave       what runs
    ─────────────────────      ──────────────────────────────────────────────
    nothing                    image entrypoint + image command
    command                    image entrypoint + command
    entrypoint                 entrypoint alone (the image's command is for the image's entrypoint)
    entrypoint and command     entrypoint + command

(moby daemon/commit.go `merge`; OCI image-spec config.md.) HOME comes later, from the container's own passwd.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.containers.spec import ContainerSpec
from engine.errors import InvalidArgument
from engine.oci.image_config import ImageConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """`env` is KEY=value in order, `user` as given (`""` is root), `cwd` absolute.

    `has_usual_term`: its TERM is the one that every terminal has, neither image nor person gave one.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    cwd: str
    hostname: str
    stop_signal: str
    has_usual_term: bool = False


def plan(spec: ContainerSpec, image: ImageConfig, name: str | None = None) -> ProcessPlan:
    """Merge; raises `InvalidArgument` when neither names anything to run. `name`: its host name, if not its own."""
    name = name or hostname(spec)
    if spec.entrypoint is not None:
        args = (*spec.entrypoint, *spec.command)
    else:
        args = (*image.entrypoint, *(spec.command or image.cmd))
    if not args:
        raise InvalidArgument(
            f"command: image {spec.image} names no command to run; give one",
            {"field": "command"},
        )
    return ProcessPlan(
        args=args,
        env=tuple(f"{key}={value}" for key, value in _environment(spec, image, name).items()),
        user=image.user if spec.user is None else spec.user,
        cwd=spec.workdir or image.working_dir or "/",
        hostname=name,
        stop_signal=spec.stop_signal or image.stop_signal or "SIGTERM",
        has_usual_term=spec.tty and "TERM" not in _asked(spec, image),
    )


def hostname(spec: ContainerSpec) -> str:
    return spec.hostname or spec.id[:12]


def _environment(spec: ContainerSpec, image: ImageConfig, name: str) -> dict[str, str]:
    merged = {"PATH": DEFAULT_PATH, "HOSTNAME": name, **({"TERM": "xterm"} if spec.tty else {})}
    return {**merged, **_asked(spec, image)}


def _asked(spec: ContainerSpec, image: ImageConfig) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in image.env)
    return {**{key: value for key, _, value in pairs}, **spec.env}
