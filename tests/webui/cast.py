"""The cast of every test of the site: an owner, a teammate, an outsider who must never get in, and nobody.

owner      maintainer of Harbour          teammate   operator of Harbour: may start and stop, not create
outsider   maintainer of another team     nobody     not signed in
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from webui.accounts.models import Membership, Role, Team, User
from webui.accounts.tokens import token_create
from webui.builds.models import Build, BuildContext
from webui.builds.request import BuildRequest
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image, RegistryCredential
from webui.images.passwords import password_encrypt
from webui.jobs.models import Job
from webui.networks.models import Network
from webui.volumes.models import Volume
from worker.contract.builds import BuildImage
from worker.contract.commands import CreateContainer, PullImage, encode_command
from worker.contract.wire import to_wire

CONTAINER_ID = "c0" * 32
IMAGE_ID = "sha256:" + "1a" * 32
NETWORK_ID = "ab" * 32
BUILD_ID, CONTEXT_ID = "b1" * 16, "c1" * 16
PASSWORD = "correct horse battery"


@dataclass
class Caller:
    """Someone who calls the REST API; `user` None is nobody."""

    user: User | None
    headers: dict[str, str]
    client: Client

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        """Call `/api/v1/` + `path` with a JSON body; the answer has `.status_code` and `.json()`."""
        body = {} if data is None else {"data": data, "content_type": "application/json"}
        path = path if path.startswith("/") else f"/api/v1/{path}"
        return getattr(self.client, method)(path, **body, headers={**self.headers, **headers})

    def get(self, path: str, **headers: str) -> Any:
        return self.call("get", path, **headers)

    def post(self, path: str, data: Any = None, **headers: str) -> Any:
        return self.call("post", path, {} if data is None else data, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("delete", path, **headers)


def member(name: str, team: Team | None, role: str) -> User:
    """A person without a usable password (hashing one takes 50 ms), in `team` with `role`."""
    user = User.objects.create(username=name)
    if team is not None:
        Membership.objects.create(user=user, team=team, role=role)
    return user


def caller(user: User | None) -> Caller:
    headers = {}
    if user is not None:
        headers["Authorization"] = f"Bearer {token_create(user=user, name='test')[1]}"
    return Caller(user, headers, Client(raise_request_exception=False))


@pytest.fixture
def owner(team: Team) -> Caller:
    return caller(member("owner", team, Role.MAINTAINER))


@pytest.fixture
def teammate(team: Team) -> Caller:
    return caller(member("teammate", team, Role.OPERATOR))


@pytest.fixture
def outsider(db: None) -> Caller:
    return caller(member("outsider", Team.objects.create(name="Lighthouse"), Role.MAINTAINER))


@pytest.fixture
def nobody(db: None) -> Caller:
    return caller(None)


@pytest.fixture
def container(team: Team, host: Host) -> Container:
    """A container that its host has seen running."""
    command = CreateContainer(container_id=CONTAINER_ID, name="web", image="docker.io/library/alpine:latest")
    return Container.objects.create(
        id=CONTAINER_ID,
        team=team,
        host=host,
        name="web",
        image="alpine",
        spec=to_wire(command),
        observed_status="running",
        observed_seq=5,
        started_at=timezone.now(),
    )


@pytest.fixture
def image(team: Team, host: Host) -> Image:
    return Image.objects.create(team=team, host=host, image_id=IMAGE_ID, tags=["docker.io/library/alpine:latest"])


@pytest.fixture
def volume(team: Team, host: Host) -> Volume:
    return Volume.objects.create(team=team, host=host, name="data", labels={"for": "web"})


@pytest.fixture
def network(team: Team, host: Host) -> Network:
    return Network.objects.create(
        team=team, host=host, network_id=NETWORK_ID, name="front", subnet="10.20.0.0/24", gateway="10.20.0.1"
    )


@pytest.fixture
def job(team: Team, host: Host) -> Job:
    command = PullImage(reference="docker.io/library/alpine:latest")
    return Job.objects.create(
        team=team, host=host, kind="image.pull", subject="alpine", command=encode_command(command)
    )


@pytest.fixture
def build(team: Team, host: Host) -> Build:
    """One that has succeeded, from a folder that was sent."""
    command = BuildImage(build_id=BUILD_ID, scope=str(team.pk), tags=("docker.io/library/app:1",), context=CONTEXT_ID)
    done = Job.objects.create(
        team=team, host=host, kind="image.build", subject="app:1", command=encode_command(command), status="succeeded"
    )
    context = BuildContext.objects.create(id=CONTEXT_ID, team=team, host=host, name="app", size_bytes=2048, files=3)
    steps = [
        {"id": "a", "name": "[1/2] FROM alpine", "stage": "", "inputs": [], "state": "cached"},
        {"id": "b", "name": "[2/2] RUN true", "stage": "0", "inputs": ["a"], "state": "done", "seconds": 1.5},
    ]
    return Build.objects.create(
        id=BUILD_ID,
        team=team,
        host=host,
        job=done,
        name="app:1",
        context=context,
        steps=steps,
        image_id=IMAGE_ID,
        wish={**asdict(BuildRequest(tags=["app:1"], build_args={"A": "1"})), "secrets": []},
    )


@pytest.fixture
def credential(team: Team) -> RegistryCredential:
    return RegistryCredential.objects.create(
        team=team, registry="registry.example.com", username="ann", encrypted_password=password_encrypt("s3cret")
    )
