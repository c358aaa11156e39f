"""What is mounted into a container: from its request, from other containers (--volumes-from) and from its image.

Later ones replace earlier ones at the same place, as Docker has it: other containers' mounts, then the request's own;
what the image calls a VOLUME becomes a new volume without a name, unless something is mounted there already. Paths of
the host are taken without their links: whatever they become later, a start shows what was meant, or fails. An image is
mounted by the id that its name stood for at the creation (`choosing.py`), and its layers stay with the container.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from engine.containers.spec import ContainerSpec
from engine.errors import InvalidArgument, NotFound
from engine.options import mounts as words
from engine.options import values, volume_options
from engine.options.mounts import BIND, IMAGE, LOCAL, TMPFS, VOLUME
from engine.runtime.spec import Bind, TmpfsMount
from engine.volumes import guarding
from engine.volumes.volume import VolumeSpec

if TYPE_CHECKING:
    from pathlib import Path

    from engine.containers.parts import Image, Parts
    from engine.containers.record import ContainerRecord

_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPoint:
    """`type` is volume, bind, tmpfs or image; `name` a volume's, `source` the host's path behind it.

    Of an image, `name` is as it was asked for, `source` its id, `chain_id` that of its layers, empty without any.
    `options`: a tmpfs's. `root`: what the source is opened from at every start, and no link on the way is followed.
    """

    type: str
    destination: str
    name: str = ""
    source: str = ""
    read_only: bool = False
    propagation: str = ""
    driver: str = ""
    subpath: str = ""
    recursive: str = "enabled"
    options: tuple[str, ...] = ()
    root: str = ""
    chain_id: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MountPoint:
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        return cls(**{**known, "options": tuple(known.get("options", ()))})

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_state(self) -> dict[str, Any]:
        """In the shape of the contract's MountState."""
        told = ("type", "destination", "name", "source", "read_only", "propagation", "driver", "subpath")
        return {name: getattr(self, name) for name in told}


@dataclass(slots=True)
class _Plan:
    """`points`: what stands already; `wanted`: (request, field) of what has to be made; both by their place."""

    points: dict[str, MountPoint] = field(default_factory=dict)
    wanted: dict[str, tuple[words.Mount, str]] = field(default_factory=dict)


def prepare(
    parts: Parts,
    spec: ContainerSpec,
    image: Image,
    shown: Mapping[str, Image] | None = None,
    nameless: Mapping[str, str] | None = None,
) -> tuple[MountPoint, ...]:
    """Make the volumes that are missing, have them kept for this container, and fill those that are empty.

    `shown`: the images that are to be mounted, by their canonical names; `nameless`: place → the volume to take there,
    where one without a name is asked for. Raises InvalidArgument, PermissionDenied and NotFound with the field's name.
    `parts.volumes.release` takes it back.
    """
    plan = _planned(parts, spec, image)
    nameless = nameless or {}
    binds = {place: _bind(parts, spec, wanted, name) for place, (wanted, name) in plan.wanted.items()
             if wanted.kind == BIND}  # fmt: skip
    asked = [(place, wanted) for place, (wanted, _) in plan.wanted.items() if wanted.kind == VOLUME]
    others = [point for point in plan.points.values() if point.type == VOLUME]
    specs = [_volume_spec(parts, spec, wanted, nameless.get(place, "")) for place, wanted in asked]
    volumes = parts.volumes.acquire(spec.id, [*specs, *(VolumeSpec(name=point.name) for point in others)])
    points = {**plan.points, **binds}
    for (place, wanted), volume in zip(asked, volumes, strict=False):
        points[place] = MountPoint(
            type=VOLUME, destination=place, name=volume.name, source=_source(parts, spec, volume.name),
            root=volume.kind.root, read_only=wanted.read_only, driver=volume.driver, subpath=wanted.subpath,
        )  # fmt: skip
        if wanted.copies and not wanted.subpath and image.chain_ids:
            _fill(parts, image, volume.name, place)
    for wanted, _ in plan.wanted.values():
        if wanted.kind == TMPFS:
            points[wanted.target] = MountPoint(
                type=TMPFS, destination=wanted.target, options=wanted.options, read_only=wanted.read_only
            )
        elif wanted.kind == IMAGE:
            points[wanted.target] = _image_point(wanted, (shown or {})[words.canonical(wanted.source)])
    return tuple(points[place] for place in sorted(points))


def _image_point(wanted: words.Mount, image: Image) -> MountPoint:
    return MountPoint(
        type=IMAGE, destination=wanted.target, name=wanted.source, source=image.id, subpath=wanted.subpath,
        chain_id=str(image.chain_ids[-1]) if image.chain_ids else "", read_only=True, propagation=words.PRIVATE,
    )  # fmt: skip


def _planned(parts: Parts, spec: ContainerSpec, image: Image) -> _Plan:
    plan = _Plan()
    for text in spec.volumes_from:
        for point in _of_other(parts, spec, text):
            plan.points[point.destination] = point
    memory = {values.tmpfs(text).path.rstrip("/") for text in spec.tmpfs}
    for name, texts, read in (("volumes", spec.volumes, words.volume), ("mounts", spec.mounts, words.mount)):
        for text in texts:
            found = read(text)
            plan.wanted[found.target] = (found, name)
    for place in {*memory, *plan.wanted}:
        plan.points.pop(place, None)
    if spec.bind_roots:
        plan.wanted = {place: (_beneath(spec, mount), name) for place, (mount, name) in plan.wanted.items()}
    for place in _of_image(spec, image):
        if place not in memory and place not in plan.wanted and place not in plan.points:
            plan.wanted[place] = (words.Mount(kind=VOLUME, target=place), "image")
    if len(plan.wanted) + len(plan.points) > _MOST:
        raise InvalidArgument(f"volumes: a container can have {_MOST} mounts", {"field": "volumes"})
    return plan


def _of_other(parts: Parts, spec: ContainerSpec, text: str) -> Iterator[MountPoint]:
    name, read_only = words.volumes_from(text)
    try:
        other = parts.catalog.get(parts.catalog.resolve(name))
    except NotFound as error:
        raise InvalidArgument(f"volumes_from: {error.message}", {"field": "volumes_from"}) from error
    for point in other.mounts:
        if point.type == BIND:
            root = guarding.root_of(spec.bind_roots, point.source, "volumes_from") if spec.bind_roots else point.root
            point = replace(point, root=root, read_only=point.read_only or read_only)  # noqa: PLW2901
            _guard(parts, spec, point, "volumes_from")
        yield replace(point, read_only=point.read_only or read_only)


def _of_image(spec: ContainerSpec, image: Image) -> Iterator[str]:
    for path in image.config.volumes:
        try:
            yield words.target(path if path.startswith("/") else f"/{path}")
        except InvalidArgument as error:
            raise InvalidArgument(f"image {spec.image} asks for a volume that can't be: {error.message}") from error


def without_name(parts: Parts, record: ContainerRecord) -> dict[str, str]:
    """Place → volume, of those volumes that the container has for not having asked for one by name."""
    volumes, others = parts.volumes.list(), set[str]()
    for text in record.spec.volumes_from:
        try:
            other = parts.catalog.get(parts.catalog.resolve(words.volumes_from(text)[0]))
            others.update(point.name for point in other.mounts)
        except NotFound:  # it has gone, and left its volumes to this one, or it was recreated and has them
            others.update(volume.name for volume in volumes if set(volume.used_by) - {record.id})
    anonymous = {volume.name for volume in volumes if volume.is_anonymous}
    return {
        point.destination: point.name
        for point in record.mounts
        if point.type == VOLUME and point.name in anonymous - others
    }


def _volume_spec(parts: Parts, spec: ContainerSpec, wanted: words.Mount, nameless: str) -> VolumeSpec:
    driver = wanted.driver or spec.volume_driver or LOCAL
    if nameless and not wanted.source:
        volume = parts.volumes.get(nameless)
        if (volume.driver, dict(volume.driver_opts)) == (driver, dict(wanted.driver_opts)):
            return VolumeSpec(name=nameless, driver=driver, driver_opts=wanted.driver_opts, is_anonymous=True)
    return VolumeSpec(name=wanted.source, driver=driver, driver_opts=wanted.driver_opts, labels=wanted.labels)


def _beneath(spec: ContainerSpec, wanted: words.Mount) -> words.Mount:
    """A directory of the host that is to be a volume has to lie in a root too, for everybody who uses it later."""
    if not wanted.driver_opts or volume_options.read(wanted.driver_opts).name != volume_options.BIND:
        return wanted
    device = volume_options.read(wanted.driver_opts).device
    root = guarding.root_of(spec.bind_roots, device, "mounts")
    return replace(wanted, driver_opts=volume_options.beneath(wanted.driver_opts, root))


def _rooted(parts: Parts, spec: ContainerSpec, wanted: words.Mount, field_name: str) -> MountPoint:
    source = os.path.normpath(wanted.source)
    root = guarding.root_of(spec.bind_roots, source, field_name)
    home, privileged = parts.config.home, spec.privileged
    os.close(guarding.open_beneath(home, root, source, field_name, privileged=privileged, makes=wanted.creates))
    return MountPoint(
        type=BIND, destination=wanted.target, source=source, read_only=wanted.read_only,
        propagation=wanted.propagation, recursive=wanted.recursive, root=root,
    )  # fmt: skip


def _bind(parts: Parts, spec: ContainerSpec, wanted: words.Mount, field_name: str) -> MountPoint:
    if spec.bind_roots:
        return _rooted(parts, spec, wanted, field_name)
    point = MountPoint(
        type=BIND, destination=wanted.target, source=wanted.source, read_only=wanted.read_only,
        propagation=wanted.propagation, recursive=wanted.recursive,
    )  # fmt: skip
    source = _guard(parts, spec, point, field_name)
    if not os.path.exists(source):
        if not wanted.creates or guarding.is_kernels(source):
            raise InvalidArgument(
                f"{field_name}: {wanted.source} is not there on the host: make it, or let --volume (or "
                "bind-create-src) make a directory",
                {"field": field_name},
            )
        try:
            os.makedirs(source, 0o755, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(f"{field_name}: {source} can't be made: {error}", {"field": field_name}) from error
    return replace(point, source=source)


def _guard(parts: Parts, spec: ContainerSpec, point: MountPoint, field_name: str) -> str:
    """The path of the host without links. Raises PermissionDenied for what is not for this container."""
    home = parts.config.home
    if point.root:
        return guarding.refuse_own(home, point.source, field_name, privileged=spec.privileged, is_exact=True)
    return guarding.bound(
        home, point.source, field_name, privileged=spec.privileged,
        is_read_only=point.read_only and point.recursive != "writable", is_shared="shared" in point.propagation,
    )  # fmt: skip


def _source(parts: Parts, spec: ContainerSpec, name: str) -> str:
    volume = parts.volumes.get(name)
    if volume.kind.root:
        return guarding.refuse_own(
            parts.config.home, volume.kind.device, "volumes", privileged=spec.privileged, is_exact=True
        )
    if volume.kind.name == volume_options.BIND:
        return guarding.refuse_own(parts.config.home, volume.kind.device, "volumes", privileged=spec.privileged)
    return os.path.realpath(volume.mountpoint)


def _fill(parts: Parts, image: Image, name: str, place: str) -> None:
    overlay = parts.snapshots.readable(str(image.chain_ids[-1]))
    layers = {"lowerdirs": list(overlay.lowerdirs), "upperdir": overlay.upperdir, "workdir": overlay.workdir}
    parts.volumes.fill(name, layers, place)


def binds(points: Sequence[MountPoint], usual: Sequence[Bind], home: Path, *, privileged: bool) -> list[Bind]:
    """All that is bound; the request's own in the place of the usual ones (/etc/hosts and so on).

    `home`: Portside's, which is hidden where a bind holds it.
    """
    own = [
        Bind(
            point.name if point.type == IMAGE else point.source,
            point.destination,
            read_only=point.read_only,
            subpath=point.subpath,
            is_exact=True,
            recursive=point.recursive != "disabled" and point.type != IMAGE,
            writable_below=point.recursive == "writable",
            propagation=point.propagation or words.PRIVATE,
            root=point.root,
            image=point.source if point.type == IMAGE else "",
            hides=guarding.hidden(home, point.source, privileged=privileged) if point.type == BIND else (),
            devices=privileged and point.type == BIND and point.source.startswith("/dev/"),
        )
        for point in points
        if point.type != TMPFS
    ]
    taken = {bind.target for bind in own}
    return [*(bind for bind in usual if bind.target not in taken), *own]


def in_memory(points: Sequence[MountPoint]) -> list[TmpfsMount]:
    return [TmpfsMount(point.destination, point.options) for point in points if point.type == TMPFS]


def images(points: Sequence[MountPoint]) -> list[tuple[str, str]]:
    """(id, name) of each image that is mounted."""
    return list({point.source: (point.source, point.name) for point in points if point.type == IMAGE}.values())


def hold_layers(parts: Parts, container_id: str, points: Sequence[MountPoint]) -> None:
    """Let the layers of the images that are mounted stay as long as the container's snapshot. Raises NotFound."""
    for point in points:
        if point.type == IMAGE and point.chain_id:
            with _telling_which(point):
                parts.snapshots.hold(container_id, [point.chain_id])


def layers(parts: Parts, points: Sequence[MountPoint]) -> dict[str, list[str]]:
    """What a start needs of each image that is mounted, as `Runtime.create` has it. Raises NotFound."""
    found = {}
    for point in points:
        if point.type == IMAGE:
            with _telling_which(point):
                overlay = parts.snapshots.readable(point.chain_id)
            found[point.source] = list(dict.fromkeys([*overlay.lowerdirs, overlay.upperdir]))
    return found


@contextlib.contextmanager
def _telling_which(point: MountPoint) -> Iterator[None]:
    """What is missing in here is that image's, of however many there are."""
    try:
        yield
    except NotFound as error:
        raise NotFound(f"mounts: {point.name}: {error.message}", error.detail) from error


def make_ready(parts: Parts, points: Sequence[MountPoint]) -> None:
    """Before a start. Raises what a volume that can't be mounted raises."""
    asked = [point for point in points if point.type == VOLUME]
    for name in sorted({point.name for point in asked}):
        parts.volumes.make_ready(name, writable=any(not point.read_only for point in asked if point.name == name))


def acquire_again(parts: Parts, container_id: str, points: Sequence[MountPoint]) -> None:
    """The container is on the disk, and the database doesn't know it: its volumes are its own again."""
    parts.volumes.acquire(container_id, [VolumeSpec(name=point.name) for point in points if point.type == VOLUME])
