"""What somebody may do on hosts, for pages: they offer nothing else, and say why where nothing is left."""

from __future__ import annotations

from webui.accounts import seeing
from webui.accounts.models import Membership, User
from webui.accounts.roles import Rights
from webui.hosts.models import Host, HostQuerySet

FIRST_START = "none"


def may_add(user: User) -> bool:
    """Whether pages tell how to add a host: to administrators, and to who manages those of a whole team."""
    action = "hosts.manage"
    return not seeing.is_ruled_out(user, action) and (user.is_superuser or seeing.whole_teams(user, action).exists())


class Hosting:
    """What `user` may do on each host there is: asked for in one query, however many actions are wanted to know of.

    `rights` are all that he has; `seen` the hosts that he sees, as (id, name) by name; `several` whether these are more
    than one; `away` the ids of those of which nothing is heard.
    """

    def __init__(self, user: User) -> None:
        self._user = user
        self.rights = Rights(user)
        hosts = list(Host.objects.order_by("name", "pk").only("name", "team_id", "heartbeat_at", "stopped_at"))
        self._held = [self.rights.of(host.team_id, host=host.pk) for host in hosts]
        seen = [host for host, held in zip(hosts, self._held, strict=True) if HostQuerySet.view_action in held]
        self.seen = [(host.pk, host.name) for host in seen]
        self.away = {host.pk for host in seen if not host.is_online}
        self.several = len(self.seen) > 1

    def may(self, action: str) -> bool:
        """Whether there is a host on which it is allowed."""
        return any(action in held for held in self._held)

    def lacking(self, action: str) -> str:
        """Why there is no host for it, empty if there is one. templates/parts/no_host.html says it in words.

        `role`: hosts are seen, but roles do not allow it; `team`: all are other teams'; `member`: in no team yet;
        `none`: none ever called.
        """
        if self.may(action):
            return ""
        if self.may(HostQuerySet.view_action):
            return "role"
        if not self._held:
            return FIRST_START
        return "team" if Membership.objects.filter(user=self._user).exists() else "member"

    def offers(self, action: str) -> bool:
        """Whether pages lead to it: where it is allowed somewhere, and before any host has called.

        A page that was opened a moment before the first host did would have no way to go on otherwise.
        """
        return self.lacking(action) in ("", FIRST_START)
