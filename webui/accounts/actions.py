"""The one table of what can be allowed: each action with its words for people, and what it can be narrowed down to.

Roles are sets of these names (`BUILT_IN`, and rows of `CustomRole`); tokens may be limited to some of them. A grant
for some hosts gives what is about a host (`ON_HOST`), one for some repositories what is about images (`OF_IMAGES`).
What is about the team itself needs a role in the whole team, what is about the site (`OF_SITE`) an administrator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """What the narrowest grant is that can give an action."""

    SITE = "site"
    TEAM = "team"
    HOST = "host"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class Action:
    """`name` is `resource.verb`; `least` the first of the built-in roles that has it, "" for administrators alone."""

    name: str
    words: str
    least: str
    level: Level = Level.HOST

    @property
    def resource(self) -> str:
        return self.name.partition(".")[0]


VIEWER, OPERATOR, DEVELOPER, MAINTAINER, ADMINISTRATOR = "viewer", "operator", "developer", "maintainer", ""
LADDER = (VIEWER, OPERATOR, DEVELOPER, MAINTAINER)

ACTIONS: tuple[Action, ...] = (
    Action("hosts.view", "See hosts, their load and what is on them", VIEWER),
    Action("hosts.manage", "Make host groups, move hosts to other teams, forget hosts", MAINTAINER, Level.TEAM),
    Action("hosts.loosen", "Let containers reach the host itself: its files, devices, namespaces", ADMINISTRATOR),
    Action("containers.view", "See containers, their figures and settings", VIEWER),
    Action("containers.logs", "Read logs", OPERATOR),
    Action("containers.operate", "Start, stop, restart, pause and signal", OPERATOR),
    Action("containers.exec", "Open terminals, attach, run programs", OPERATOR),
    Action("containers.read", "Copy files out, export", OPERATOR),
    Action("containers.create", "Create containers", DEVELOPER),
    Action("containers.update", "Rename, change limits, ports and labels", DEVELOPER),
    Action("containers.write", "Copy files in", DEVELOPER),
    Action("containers.remove", "Remove and prune", DEVELOPER),
    Action("images.view", "See images and what is in them", VIEWER, Level.REPOSITORY),
    Action("images.save", "Save images as archives", OPERATOR, Level.REPOSITORY),
    Action("images.pull", "Pull, and ask registries", DEVELOPER, Level.REPOSITORY),
    Action("images.push", "Push to registries", DEVELOPER, Level.REPOSITORY),
    Action("images.create", "Load, import, commit and tag", DEVELOPER),
    Action("images.remove", "Remove and prune", DEVELOPER),
    Action("images.repair", "Check and repair", DEVELOPER),
    Action("builds.view", "See builds and their records", VIEWER),
    Action("builds.create", "Build images, send folders", DEVELOPER),
    Action("builds.remove", "Remove records, prune the cache", DEVELOPER),
    Action("volumes.view", "See volumes and the names of their files", VIEWER),
    Action("volumes.read", "Read and download files", OPERATOR),
    Action("volumes.operate", "Measure, take snapshots", OPERATOR),
    Action("volumes.create", "Create and clone", DEVELOPER),
    Action("volumes.update", "Rename, limit, revert to snapshots", DEVELOPER),
    Action("volumes.write", "Change and upload files", DEVELOPER),
    Action("volumes.remove", "Remove and prune", DEVELOPER),
    Action("networks.view", "See networks and who is on them", VIEWER),
    Action("networks.create", "Create networks", DEVELOPER),
    Action("networks.connect", "Connect and disconnect containers", DEVELOPER),
    Action("networks.remove", "Remove and prune", DEVELOPER),
    Action("backups.view", "See backups, plans and places", VIEWER),
    Action("backups.create", "Make backups", OPERATOR),
    Action("backups.restore", "Restore backups into volumes", DEVELOPER),
    Action("backups.plan", "Plan backups, remove old ones", DEVELOPER),
    Action("backups.places", "Say where backups go, and with which keys", MAINTAINER, Level.TEAM),
    Action("jobs.view", "See jobs and how they went", VIEWER),
    Action("jobs.cancel", "Cancel jobs", OPERATOR),
    Action("events.view", "See what has happened on hosts", VIEWER),
    Action("recordings.view", "Watch recorded terminals of others", MAINTAINER, Level.TEAM),
    Action("recordings.remove", "Delete recordings", MAINTAINER, Level.TEAM),
    Action("registries.view", "See which registries the team signs in to", VIEWER, Level.TEAM),
    Action("registries.manage", "Change registries and their passwords", MAINTAINER, Level.TEAM),
    Action("members.view", "See who is in the team", VIEWER, Level.TEAM),
    Action("members.manage", "Add, invite and remove members, give roles", MAINTAINER, Level.TEAM),
    Action("team.manage", "Rename the team, say how long logs are kept", MAINTAINER, Level.TEAM),
    Action("policies.manage", "Change the team's policies", MAINTAINER, Level.TEAM),
    Action("audit.view", "Read the audit log of the team", MAINTAINER, Level.TEAM),
    Action("users.manage", "Create, deactivate and delete people", ADMINISTRATOR, Level.SITE),
    Action("teams.manage", "Create and delete teams", ADMINISTRATOR, Level.SITE),
    Action("roles.manage", "Create and change roles", ADMINISTRATOR, Level.SITE),
)

BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}
NAMES: frozenset[str] = frozenset(BY_NAME)
OF_SITE = frozenset(action.name for action in ACTIONS if action.level is Level.SITE)
OF_IMAGES = frozenset(action.name for action in ACTIONS if action.level is Level.REPOSITORY)
ON_HOST = frozenset(action.name for action in ACTIONS if action.level is Level.HOST) | OF_IMAGES
IN_TEAM = NAMES - OF_SITE
"""What somebody may do with the objects of a team, the administrator's rights among it."""


def _up_to(role: str) -> frozenset[str]:
    reached = LADDER[: LADDER.index(role) + 1]
    return frozenset(action.name for action in ACTIONS if action.least in reached)


BUILT_IN: dict[str, frozenset[str]] = {role: _up_to(role) for role in LADDER}
"""Each of them has what those before it have."""

DESCRIPTIONS = {
    VIEWER: "Sees everything, changes nothing.",
    OPERATOR: "Starts and stops, opens terminals, reads logs and files.",
    DEVELOPER: "Creates, builds, pushes and removes.",
    MAINTAINER: "Keeps the team: members, roles, registries, policies.",
}

GRANTABLE = IN_TEAM
"""What a custom role can be made of."""

_PARTS: dict[str, frozenset[str]] = {
    "view": BUILT_IN[VIEWER],
    "operate": BUILT_IN[OPERATOR] - BUILT_IN[VIEWER],
    "create": BUILT_IN[DEVELOPER] - BUILT_IN[OPERATOR],
    "manage": BUILT_IN[MAINTAINER] - BUILT_IN[DEVELOPER],
    "loosen": frozenset({"hosts.loosen"}),
}


READING = frozenset(action for action in IN_TEAM if action.endswith(".view")) | {"containers.logs"}
"""Those that change nothing and open no file: what a token with the scope `read` allows."""
COARSE = frozenset(_PARTS)


def expanded(words: Iterable[str]) -> frozenset[str]:
    """Actions and coarse words (view, operate, create, manage, loosen) as actions alone."""
    return frozenset().union(*(_PARTS.get(word, frozenset({word})) for word in words))


def with_coarse(held: Iterable[str]) -> frozenset[str]:
    """`held` and the coarse words (view, operate, create, manage, loosen) for parts of the table held as a whole."""
    held = frozenset(held)
    return held | {word for word, part in _PARTS.items() if part <= held}


def roles_with(action: str) -> tuple[str, ...]:
    """The built-in roles that have it."""
    return tuple(role for role in LADDER if action in BUILT_IN[role])
