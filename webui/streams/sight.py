"""Which of the changes that are broadcast somebody may see: by kind, and by the host they are on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from webui.accounts.models import User
from webui.accounts.roles import Rights

ACTIONS = {
    "audit": "audit.view",
    "backup": "backups.view",
    "build": "builds.view",
    "container": "containers.view",
    "health": "containers.view",
    "host": "hosts.view",
    "image": "images.view",
    "job": "jobs.view",
    "network": "networks.view",
    "volume": "volumes.view",
}
"""What one needs in order to see changes of a kind; of any other, any role in the whole team."""


class Sight:
    """What `user` may see as long as his rights stay as they are now; reading them queries the database."""

    def __init__(self, user: User) -> None:
        self._rights = None if user.is_unlimited else Rights(user)
        self._known: dict[tuple[Any, ...], bool] = {}

    def sees(self, change: dict[str, Any]) -> bool:
        """Whether a change, as `webui.broadcast` publishes it, is for him.

        Of what is gone only the id is told: that goes to all who may see such things somewhere in the team.
        """
        if self._rights is None:
            return True
        kind, said = str(change.get("kind")), change.get("object")
        host = None if not isinstance(said, dict) else said.get("id") if kind == "host" else said.get("host", {})
        host = host.get("id") if isinstance(host, dict) else host
        tags = tuple(said.get("tags") or ()) if kind == "image" and isinstance(said, dict) else ()
        key = (change.get("team"), kind, host, tags)
        if key not in self._known:
            self._known[key] = self._asked(*key)
        return self._known[key]

    def _asked(self, team: Any, kind: str, host: str | None, tags: tuple[str, ...]) -> bool:
        assert self._rights is not None
        try:
            team_id = UUID(str(team))
        except ValueError:
            return False
        action = ACTIONS.get(kind, "members.view")
        if action in self._rights.of(team_id, host=host, anywhere=host is None):
            return True
        names = {tag.rpartition(":")[0] for tag in tags}
        return any(action in self._rights.of(team_id, host=host, repository=name) for name in names)
