"""What the sockets of a container have in common: the container has to be one that the user sees."""

from __future__ import annotations

from webui.accounts.models import User
from webui.containers.models import Container
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
        containers = Container.objects.visible_to(user).select_related("host", "team")
        container = containers.filter(pk=self.container_id).first()
        if container is None:
            raise Refused(404, "there is no such container")
        self.container = container
