"""The bundle that another runtime gets: our own config.json, with what our init does by itself written out.

That is the user (looked up in the image: the specification knows numbers alone), HOME, the control groups, which
are there already, and their limits, which are repeated so that no runtime sets others.
"""

from __future__ import annotations

from engine.runtime.ids import COUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.runtime.foreign.place import Place
    from engine.runtime.identity import Identity

# Older runtimes refuse what is newer than themselves, and nothing here is newer than this.
VERSION = "1.0.2"


def adapted(spec: dict[str, Any], root: str, who: Identity, group: str, resources: dict[str, Any]) -> dict[str, Any]:
    """A new config.json's object.

    `root`: where the root file system is mounted; `group`: the control groups' path below each hierarchy's root;
    `resources`: what `limits.read` found there, which is what holds.
    """
    process: dict[str, Any] = {**spec["process"]}
    wanted = process.get("user") or {}
    environment = list(process.get("env") or [])
    if not any(entry.startswith("HOME=") for entry in environment):
        environment.append(f"HOME={who.home}")
    groups = sorted({*who.groups, *(wanted.get("additionalGids") or [])})
    process["user"] = {"umask": 0o022, **wanted, "uid": who.uid, "gid": who.gid, "additionalGids": groups}
    process["env"] = environment
    process["oomScoreAdj"] = process.get("oomScoreAdj") or 0  # else it would keep the launcher's
    linux = {**(spec.get("linux") or {})}
    made = [_to_make(device) for device in linux.get("devices") or []]
    if linux.get("seccomp"):
        linux["seccomp"] = for_libseccomp(linux["seccomp"])
    return {
        **spec,
        "ociVersion": VERSION,
        "process": process,
        "root": {**(spec.get("root") or {}), "path": root},
        "linux": {
            **linux,
            "cgroupsPath": f"/{group}",
            "resources": {**(linux.get("resources") or {}), **resources, "devices": [*resources["devices"], *made]},
        },
    }


def confine(adapted: dict[str, Any], profile: str) -> None:
    """Let the process have this AppArmor profile, none if empty: the bundle's may be one that can't be had."""
    adapted["process"].pop("apparmorProfile", None)
    if profile:
        adapted["process"]["apparmorProfile"] = profile


def put_in_place(adapted: dict[str, Any], place: Place, first: int | None) -> None:
    """Let what `adapted` returned be found in the helper's place, by the users that the container is to have.

    `first`: the host's id that is its 0; None for the host's users.
    """
    adapted["mounts"] = [place.bound(mount) for mount in adapted.get("mounts") or []]
    linux = adapted["linux"]
    others = [entry for entry in linux.get("namespaces") or [] if entry["type"] != "user"]
    if first is None:
        linux["namespaces"] = others
        return
    linux["namespaces"] = [*others, {"type": "user"}]
    mapping = {"containerID": 0, "hostID": first, "size": COUNT}
    linux["uidMappings"], linux["gidMappings"] = [mapping], [mapping]
    adapted["mounts"] += [place.node(device) for device in linux.pop("devices", None) or []]


def _to_make(device: dict[str, Any]) -> dict[str, Any]:
    """A runtime makes a node from within the control groups, which may allow its use alone."""
    numbers = {name: device[name] for name in ("type", "major", "minor")}
    return {"allow": True, "access": "m", **numbers}


def for_libseccomp(profile: dict[str, Any]) -> dict[str, Any]:
    """The same list for runtimes that compile it with libseccomp, as all but ours do.

    There, a rule without conditions hides those with conditions for the same call (seccomp_rule_add(3)); in ours,
    the conditions are looked at first. Such a call is left to its conditions here, and else to the default action:
    denied as well, with another number.
    """
    rules = profile.get("syscalls") or []
    conditional = {name for rule in rules if rule.get("args") for name in rule["names"]}
    kept = []
    for rule in rules:
        names = rule["names"] if rule.get("args") else [name for name in rule["names"] if name not in conditional]
        if names:
            kept.append({**rule, "names": names})
    return {**profile, "syscalls": kept}
