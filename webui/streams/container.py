"""What the sockets of a container have in common: the container has to be one that the user sees."""

from __future__ import annotations

from webui.accounts.models import User
from webui.containers.models import Container
from webui.containers.services import container_seen
from webui.live.admission import Refused
from webui.streams.socket import Socket


class ContainerSocket(Socket):
    container: Container

    @property
    def container_id(self) -> str:
        return str(self.scope["url_route"]["kwargs"]["container_id"])

    @property
    def host_id(self) -> str:
        return str(self.container.host_id)

    def prepare(self, user: User) -> None:
        container = container_seen(user=user, container_id=self.container_id)
        if container is None:
            raise Refused(404, "there is no such container")
        self.container = container
