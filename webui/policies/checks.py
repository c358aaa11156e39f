"""What a policy refuses: each error says which policy it is, what it wants, and who can change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import InvalidArgument, PermissionDenied, ResourceExhausted
from engine.oci.reference import Reference
from webui.accounts.models import Team, User
from webui.accounts.roles import LOOSEN, actions_of, repository_matches
from webui.policies.models import TeamPolicy
from webui.policies.reading import policy_of, ports_of
from webui.policies.usage import counted, disk_bytes, new_volumes

_MAXIMA = {"memory_bytes": "memory_maximum_bytes", "cpus": "cpus_maximum", "pids_limit": "pids_maximum"}
_NAMES = {"memory_bytes": "memory", "cpus": "processors", "pids_limit": "processes"}
PIDS_UNASKED = 2048
"""What hosts give a container that asks for no limit of processes."""


def is_exempt(user: User, team: Team, host: Any) -> bool:
    """Who may loosen, everywhere or on the host (or its id), makes policies, and is not held by them."""
    return LOOSEN in actions_of(user, team, host=host)


def image_check(
    user: User,
    team: Team,
    reference: str,
    *,
    host: Any,
    field: str = "reference",
    policy: TeamPolicy | None = None,
) -> None:
    """Raises PermissionDenied when the team's policy does not let this image in to the host (or its id).

    By its name alone, before anything is pulled; where an image of an allowed name, or with an id, has come from, its
    host knows (`images_allowed`).
    """
    policy = policy or policy_of(team)
    if not policy.images or reference.startswith("sha256:") or is_exempt(user, team, host):
        return
    try:
        name = Reference.parse(reference).name
    except InvalidArgument:
        return  # that is told elsewhere
    if any(repository_matches(pattern, name) for pattern in policy.images):
        return
    allowed = ", ".join(policy.images[:8])
    raise _refused(team, f"images come from {allowed}, and {name} is none of them", field, "images")


def images_allowed(user: User, team: Team, *, host: Any, policy: TeamPolicy | None = None) -> tuple[str, ...]:
    """Where images come from that are run or built on, for the host to hold them to; none: anywhere."""
    images = (policy or policy_of(team)).images
    return () if not images or is_exempt(user, team, host) else tuple(images)


def signers_of(user: User, team: Team, *, host: Any, policy: TeamPolicy | None = None) -> dict[str, str]:
    """Public keys (PEM) by name, one of which has to have signed what runs on the host (or its id); none: anything may.

    The host holds images to them. Raises PermissionDenied when nothing could be signed.
    """
    policy = policy or policy_of(team)
    if not policy.signed_images or is_exempt(user, team, host):
        return {}
    keys = dict(team.signing_keys.values_list("name", "public_key"))
    if policy.signing_keys:
        keys = {name: pem for name, pem in keys.items() if name in policy.signing_keys}
    if not keys:
        raise _refused(team, "only signed images run, and there is no key for it", "image", "signed_images")
    return keys


def limits_check(
    user: User, team: Team, limits: Mapping[str, Any], *, host: Any, policy: TeamPolicy | None = None
) -> None:
    """Raises PermissionDenied for a container without limits that it must have, or with more than it may.

    `limits`: `memory_bytes`, `cpus`, `pids_limit` as asked for; None is none, of processes the usual 2048.
    """
    policy = policy or policy_of(team)
    if is_exempt(user, team, host):
        return
    for name in policy.must_limit:
        if limits.get(name) in (None, -1):
            raise _refused(team, f"every container needs a limit of its {_NAMES[name]}", name, "must_limit")
    for name, maximum in _MAXIMA.items():
        most, wanted = getattr(policy, maximum), limits.get(name)
        if most is None:
            continue
        if name == "pids_limit" and wanted is None:
            wanted = PIDS_UNASKED
        if wanted in (None, -1) or wanted > most:
            what = f"a container has at most {most:g} of {_NAMES[name]}" + (
                " (bytes)" if name == "memory_bytes" else ""
            )
            raise _refused(team, what, name, maximum)


def ports_check(
    user: User,
    team: Team,
    ports: Sequence[Mapping[str, Any]],
    *,
    host: Any,
    field: str = "ports",
    policy: TeamPolicy | None = None,
) -> None:
    """Raises PermissionDenied for a port of the host outside of the team's ranges; a free one is outside, too."""
    policy = policy or policy_of(team)
    if not policy.port_ranges or is_exempt(user, team, host):
        return
    ranges = [ports_of(text) for text in policy.port_ranges]
    said = f"ports of the host are {', '.join(policy.port_ranges)}"
    for index, port in enumerate(ports):
        first = port.get("host")
        last = port.get("host_last") or first
        if not isinstance(first, int) or not any(low <= first and last <= high for low, high in ranges):
            raise _refused(team, f"{said}: choose one of them", f"{field}.{index}.host", "port_ranges")


def quota_check(team: Team, what: str, *, wanted: int = 1, policy: TeamPolicy | None = None) -> None:
    """Raises ResourceExhausted when so many more are beyond the team's quota of `what` (containers, volumes, networks).

    In a transaction, so that what is counted stays so until its end: who asks at the same moment waits.
    """
    most = getattr(policy or policy_of(team), f"{what}_quota")
    if most is None:
        return
    _hold(team)
    present = counted(team, what)
    if present + wanted > most:
        more = "" if wanted == 1 else f" and {wanted} more are needed"
        raise ResourceExhausted(
            f"the team {team.name} has {present} of {most} {what}{more}: remove some, or ask an administrator for a "
            "larger quota",
            {"team": str(team.pk), "action": f"quota.{what}"},
        )


def volumes_check(
    team: Team, host: Any, volumes: Sequence[str], mounts: Sequence[str], *, policy: TeamPolicy | None = None
) -> None:
    """As `quota_check`, of the volumes that a container would have made on the host by its --volume and --mount."""
    policy = policy or policy_of(team)
    if policy.volumes_quota is None:
        return
    _hold(team)
    wanted = new_volumes(team, host.pk, volumes, mounts)
    if wanted:
        quota_check(team, "volumes", wanted=wanted, policy=policy)


def disk_check(team: Team, *, policy: TeamPolicy | None = None) -> None:
    """Raises ResourceExhausted when images and volumes of the team fill its quota already."""
    most = (policy or policy_of(team)).disk_quota_bytes
    if most is not None and (used_bytes := disk_bytes(team)) >= most:
        raise ResourceExhausted(
            f"the team {team.name} uses {_size(used_bytes)} of its {_size(most)} on disk: remove images or volumes, or "
            "ask an administrator for a larger quota",
            {"team": str(team.pk), "action": "quota.disk"},
        )


def _hold(team: Team) -> None:
    """Have whoever counts for this team wait until the transaction ends."""
    Team.objects.select_for_update().filter(pk=team.pk).first()


def _size(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"


def _refused(team: Team, what: str, field: str, name: str) -> PermissionDenied:
    sentence = f"The policy of the team {team.name} says that {what}."
    message = (
        f"the policy of the team {team.name} says that {what}: change that, or ask a maintainer to change the policy"
    )
    return PermissionDenied(message, {"action": f"policy.{name}", "team": str(team.pk), "fields": {field: [sentence]}})
