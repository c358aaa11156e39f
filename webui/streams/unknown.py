"""What no socket has as its address: a 404 that says so, as REST's."""

from __future__ import annotations

from webui.accounts.models import User
from webui.live.admission import Refused
from webui.streams.socket import Socket


class UnknownSocket(Socket):
    def prepare(self, user: User) -> None:
        raise Refused(404, "there is no such socket: see the addresses in the documentation (they end with a slash)")
