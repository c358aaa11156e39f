"""config.json of a bundle: the OCI runtime specification 1.2 for Linux, typed, frozen and checked.

    fields              readers that know their place in the document
    runtime_process     process          runtime_linux      linux
    runtime_resources   linux.resources  runtime_seccomp    linux.seccomp
    runtime_spec        the rest, and `parse`

What the specification does not know is ignored, as it demands (config.md "Extensibility"); everything that it does
know is checked before a runtime creates anything. Whether *this kernel* can do it is the runtime's question.
"""

from __future__ import annotations

from engine.bare import json
from engine.errors import InvalidArgument
from engine.oci.fields import (
    Value,
    absolute_path,
    boolean,
    field,
    full_text,
    many,
    matches,
    named,
    number,
    refuse,
    text,
)
from engine.oci.runtime_linux import IDMapping, Linux, id_mappings
from engine.oci.runtime_process import Process, environment

VERSION = "1.2.0"
MAXIMUM_BYTES = 8 << 20
_MARKS = ((b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_SEMVER = r"(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.+-]+|\+[0-9A-Za-z.-]+)?"
_PROPAGATIONS = frozenset(("shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"))


class Root(Value):
    path: str = field(full_text, required=True)
    readonly: bool = field(boolean, default=False)


class Mount(Value):
    """`destination` may be relative, then to "/" (deprecated, config.md "Mounts")."""

    destination: str = field(full_text, required=True)
    type: str = field(text, default="")
    source: str = field(text, default="")
    options: tuple[str, ...] = field(many(text), default=())
    uid_mappings: tuple[IDMapping, ...] = field(id_mappings, default=())
    gid_mappings: tuple[IDMapping, ...] = field(id_mappings, default=())

    @property
    def is_bind(self) -> bool:
        return self.type == "bind" or "bind" in self.options or "rbind" in self.options

    def check(self, path: str) -> None:
        if self.is_bind and not self.source:
            raise refuse(f"{path}.source", "is missing: there is nothing to bind")
        if bool(self.uid_mappings) != bool(self.gid_mappings):
            missing = "gidMappings" if self.uid_mappings else "uidMappings"
            raise refuse(f"{path}.{missing}", "is missing: users and groups are mapped together")
        if not self.is_bind and self.uid_mappings:
            raise refuse(f"{path}.uidMappings", "is for bind mounts alone")
        if not self.type and not self.is_bind and not _PROPAGATIONS & set(self.options):
            raise refuse(f"{path}.type", "is missing")


class Hook(Value):
    """A program of the host's; `timeout` in seconds; `env` None: not given."""

    path: str = field(absolute_path, required=True)
    args: tuple[str, ...] = field(many(text), default=())
    env: tuple[str, ...] | None = field(many(environment), default=None)
    timeout: int | None = field(number(1, (1 << 31) - 1), default=None)


_hooks = many(Hook.read)


class Hooks(Value):
    prestart: tuple[Hook, ...] = field(_hooks, default=())
    create_runtime: tuple[Hook, ...] = field(_hooks, default=())
    create_container: tuple[Hook, ...] = field(_hooks, default=())
    start_container: tuple[Hook, ...] = field(_hooks, default=())
    poststart: tuple[Hook, ...] = field(_hooks, default=())
    poststop: tuple[Hook, ...] = field(_hooks, default=())


def _version(value: object, path: str) -> str:
    found = text(value, path)
    numbers = found.split(".")
    plain = len(numbers) == 3 and all(part.isascii() and part.isdigit() for part in numbers)
    if not plain and not matches(_SEMVER, found):
        raise refuse(path, f"{found!r} is not a version such as {VERSION}")
    if numbers[0] != "1":
        raise refuse(path, f"{found} is not supported; this runtime knows the versions from 1.0.0 to {VERSION}")
    return found


def _host_name(value: object, path: str) -> str:
    found = text(value, path)
    if len(found.encode()) > 64:
        raise refuse(path, "is longer than the kernel's 64 bytes")
    return found


class Spec(Value):
    """The whole document. `process` is missing in a bundle that is only meant to be created and joined."""

    oci_version: str = field(_version, required=True)
    process: Process | None = field(Process.read, default=None)
    root: Root = field(Root.read, required=True)
    hostname: str = field(_host_name, default="")
    domainname: str = field(_host_name, default="")
    mounts: tuple[Mount, ...] = field(many(Mount.read), default=())
    hooks: Hooks = field(Hooks.read, default=Hooks())
    annotations: dict[str, str] = field(named(text), default={})
    linux: Linux = field(Linux.read, default=Linux())

    def check(self, path: str) -> None:
        if "" in self.annotations:
            raise refuse("annotations['']", "a key must not be empty")
        kinds = {namespace.type for namespace in self.linux.namespaces}
        for key, value in (("hostname", self.hostname), ("domainname", self.domainname)):
            if value and "uts" not in kinds:
                raise refuse(key, "needs a uts namespace in linux.namespaces, or the host's would change")


def decode(data: bytes | str, name: str = "config.json") -> dict[str, object]:
    """One JSON object; InvalidArgument for anything else, for NaN, and for a key that is there twice.

    `name`: where it is from, for the error. As bytes it is UTF-8 without a byte order mark: RFC 8259, section 8.1.
    """
    if len(data) > MAXIMUM_BYTES:
        raise InvalidArgument(f"{name}: more than {MAXIMUM_BYTES} bytes are refused", {"field": ""})
    try:
        if isinstance(data, bytes):
            data = _decoded(data)
        document = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"{name}: is not JSON: {error}", {"field": ""}) from None
    if not isinstance(document, dict):
        raise InvalidArgument(f"{name}: must be an object", {"field": ""})
    return document


def _decoded(data: bytes) -> str:
    for mark, found in _MARKS:
        if data.startswith(mark):
            raise ValueError(f"it begins with the byte order mark of {found}; save it as UTF-8 without one")
    if b"\0" in data[:4]:
        raise ValueError("it has zero bytes, as in UTF-16; save it as UTF-8")
    return data.decode()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two readers of a key that is there twice may see two containers."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def parse(data: bytes | str) -> Spec:
    """The typed document. InvalidArgument, with the field's path in detail["field"], for the first thing wrong."""
    return Spec.read(decode(data), "")
