"""Who may run a further process in a container, and what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import Conflict, InvalidArgument
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.containers.exec_request import exec_parameters
from webui.containers.models import Container, DesiredStatus
from webui.containers.policing import exec_policed
from worker.contract.sessions import ExecParameters


def exec_checked(*, user: User, container: Container, wish: Mapping[str, Any]) -> ExecParameters:
    """What a host is to run. `wish`: the fields of `exec_parameters`.

    Raises PermissionDenied, InvalidArgument with the field, and Conflict for a container that is being removed.
    """
    require_on(user, "containers.exec", container)
    if container.desired_status == DesiredStatus.REMOVED:
        raise Conflict(f"the container {container.name} is being removed: nothing else can be done with it")
    try:
        parameters = exec_parameters(wish)
    except InvalidArgument as error:
        raise InvalidArgument(error.message, {"fields": {str(error.detail.get("field")): [error.message]}}) from error
    exec_policed(user, container, privileged=parameters.privileged)
    return parameters
