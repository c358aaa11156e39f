"""Pages ask the database a number of times that does not grow with what they show."""

from __future__ import annotations

import pytest

from tests.webui.cast import Caller, member
from tests.webui.pages.counting import queries
from tests.webui.pages.test_access import browser_of
from webui.accounts.models import Role, Team
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job
from webui.networks.models import Endpoint, Network
from webui.volumes.models import Volume

PATHS = ["/", "/containers/", "/containers/{container}/", "/images/", "/jobs/", "/volumes/", "/networks/"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_queries_do_not_grow_with_what_there_is(
    owner: Caller, team: Team, host: Host, container: Container, image: Image, job: Job, volume: Volume, path: str
) -> None:
    client = browser_of(owner)
    path = path.replace("{container}", container.pk)
    other = Host.objects.create(pk="quay", team=team, name="quay")
    more(team, other, 1)

    queries(client, path)  # what is looked up once, such as the session's place
    before = queries(client, path)
    for number in range(2, 9):
        more(team, other, number)
    assert queries(client, path) == before <= 20


def more(team: Team, host: Host, number: int) -> None:
    """One of each, of somebody else's."""
    user = member(f"user {number}", team, Role.VIEWER)
    pk = f"{number:064x}"
    Image.objects.create(team=team, host=host, image_id=f"sha256:{pk}", tags=[f"docker.io/library/a{number}:1"])
    one = Container.objects.create(
        id=pk, team=team, host=host, created_by=user, name=f"c{number}", image="a", image_id=f"sha256:{pk}"
    )
    network = Network.objects.create(team=team, host=host, network_id=pk, name=f"net-{number}", subnet="10.9.0.0/24")
    Endpoint.objects.create(network=network, container=one, ip="10.9.0.9", interface="eth0")
    Volume.objects.create(team=team, host=host, name=f"volume-{number}")
    Job.objects.create(team=team, host=host, kind="container.start", subject=pk, command={}, requested_by=user)
