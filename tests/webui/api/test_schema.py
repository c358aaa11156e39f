"""The OpenAPI document: valid, without a warning, and true to what the site answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework import serializers

from tests.support import client_code
from tests.webui.cast import Caller
from webui.accounts import representation
from webui.accounts.models import ApiToken, Grant, HostGroup, Invitation, Membership, Team, User
from webui.accounts.representation import team_as_json, token_as_json
from webui.accounts.tokens import token_create
from webui.api import image_schemas, network_schemas, people_schemas, schemas, volume_schemas
from webui.containers.models import Container
from webui.containers.representation import container_as_json
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.images.models import Image, RegistryCredential
from webui.images.representation import credential_as_json, image_as_json
from webui.jobs.models import Job
from webui.jobs.representation import job_as_json
from webui.networks.models import Endpoint, Network
from webui.networks.representation import network_as_json
from webui.volumes.models import Volume
from webui.volumes.representation import volume_as_json

pytestmark = pytest.mark.django_db

SNAPSHOT = Path(__file__).resolve().parents[3] / "docs" / "openapi-v1.yml"


def test_the_document_is_valid_and_made_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))
    assert (tmp_path / "schema.yml").read_text().startswith("openapi: 3.1")


def test_the_document_is_the_one_that_was_agreed(tmp_path: Path) -> None:
    """What others build on changes only on purpose: by a new snapshot in the same commit."""
    call_command("spectacular", "--file", str(tmp_path / "schema.yml"))
    assert (tmp_path / "schema.yml").read_text() == SNAPSHOT.read_text(), (
        "the REST API has changed: python manage.py spectacular --file docs/openapi-v1.yml"
    )


def test_the_client_has_each_operation_as_it_was_agreed() -> None:
    wanted = client_code.modules()
    found = {path.name: path.read_text() for path in client_code.TARGET.glob("*.py")}
    changed = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    assert changed == [], "the REST API has changed: python -m tests.support.client_code writes the client anew"


def test_it_is_open_to_all_and_covers_every_endpoint(nobody: Caller) -> None:
    answer = nobody.get("schema/?format=json")
    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert {
        "/api/v1/containers/{container_id}/start/",
        "/api/v1/containers/{container_id}/logs/",
        "/api/v1/images/pull/",
        "/api/v1/jobs/{job_id}/cancel/",
    } <= set(document["paths"])
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_the_docs_page_loads_nothing_from_elsewhere_and_runs_no_inline_script(nobody: Caller) -> None:
    answer = nobody.get("docs/")
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "http://" not in html.replace("http://www.w3.org", "") and "https://" not in html
    assert "<script>" not in html
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    script = nobody.get("docs/?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")


@pytest.mark.parametrize("path", ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"])
def test_the_docs_pages_parts_are_served_from_here(nobody: Caller, path: str) -> None:
    answer = nobody.get(f"/static/drf_spectacular_sidecar/swagger-ui-dist/{path}")
    assert answer.status_code == 200 and b"".join(answer.streaming_content)


def test_the_shapes_in_the_document_are_those_of_the_answers(
    owner: Caller,
    team: Team,
    host: Host,
    container: Container,
    image: Image,
    volume: Volume,
    network: Network,
    job: Job,
    credential: RegistryCredential,
) -> None:
    container.spec["ports"] = [{"container": 80, "host": None, "protocol": "tcp", "address": "127.0.0.1"}]
    container.mounted = [{"type": "volume", "name": "data", "source": "/x", "destination": "/d", "read_only": False}]
    container.save()
    job.error = {"family": "not_found", "message": "no such image", "detail": {}}
    job.progress = {"phase": "x", "items": [{"id": "l", "status": "done", "done_bytes": 1, "total_bytes": 1}]}
    Endpoint.objects.create(
        network=network, container=container, ip="10.20.0.2", mac="02:00:00:00:00:02", interface="eth0", aliases=["db"]
    )
    token = ApiToken.objects.get(user=owner.user)
    for schema, shown in (
        (schemas.TeamSchema, team_as_json(team, "viewer")),
        (schemas.TokenSchema, token_as_json(token)),
        (schemas.HostSchema, host_as_json(host)),
        (image_schemas.ImageSchema, image_as_json(image)),
        (network_schemas.NetworkSchema, network_as_json(network)),
        (schemas.ContainerSchema, container_as_json(container)),
        (volume_schemas.VolumeSchema, volume_as_json(volume)),
        (schemas.JobSchema, job_as_json(job)),
        (image_schemas.CredentialSchema, credential_as_json(credential)),
        *people_shown(owner, team, host),
    ):
        assert_fits(schema(), shown, schema.__name__)


def assert_fits(schema: serializers.Field[Any, Any, Any, Any], value: Any, where: str) -> None:
    """The value has exactly the schema's fields, all the way down; null only where it is allowed."""
    if value is None:
        assert schema.allow_null, f"{where} is null"
    elif isinstance(schema, serializers.ListSerializer):
        for item in value:
            assert_fits(schema.child, item, f"{where}[]")
    elif isinstance(schema, serializers.Serializer):
        assert set(schema.fields) == set(value), where
        for name, field in schema.fields.items():
            assert_fits(field, value[name], f"{where}.{name}")
    elif isinstance(schema, serializers.ChoiceField):
        assert value in schema.choices, where
    elif isinstance(schema, serializers.ListField | serializers.DictField):
        assert isinstance(value, list if isinstance(schema, serializers.ListField) else dict), where
    else:
        schema.run_validation(value)


def people_shown(owner: Caller, team: Team, host: Host) -> list[tuple[Any, Any]]:
    assert owner.user is not None
    membership = Membership.objects.get(user=owner.user)
    group = HostGroup.objects.create(team=team, name="staging")
    group.hosts.add(host)
    Grant.objects.create(membership=membership, role="operator", group=group)
    Grant.objects.create(membership=membership, role="operator", host=host)
    invitation = Invitation.objects.create(
        team=team, invited_by=owner.user, role="viewer", digest="0", expires_at=team.created_at, accepted_by=owner.user
    )
    account = User.objects.create(username="robot", service_of=team)
    token_create(user=account, name="ci")
    return [
        (people_schemas.PersonSchema, representation.person_as_json(owner.user, [membership])),
        (people_schemas.MemberSchema, representation.member_as_json(membership)),
        (people_schemas.InvitationSchema, representation.invitation_as_json(invitation)),
        (people_schemas.ServiceAccountSchema, representation.service_account_as_json(account)),
        (people_schemas.HostGroupSchema, representation.group_as_json(group)),
        *((people_schemas.RoleSchema, role) for role in representation.roles_as_json()),
    ]
