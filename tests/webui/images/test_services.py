"""What hosts say of their images, and how registry passwords lie at rest."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import DataCorrupt, InvalidArgument
from tests.support.valkey import Valkey
from tests.webui.cast import IMAGE_ID
from tests.webui.site_broker import changes_told
from webui.accounts.models import Team
from webui.hosts.models import Host
from webui.images import services
from webui.images.credentials import command_secrets, registry_name
from webui.images.models import Image, RegistryCredential
from webui.images.passwords import password_decrypt, password_encrypt
from worker.contract.commands import CreateContainer, encode_command
from worker.contract.events import ImageState

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_image_is_taken_over_once_and_told_when_it_changes(site_broker: Valkey, host: Host, team: Team) -> None:
    state = ImageState(id=IMAGE_ID, tags=("a:1",), size_bytes=5, created_at="2024-05-06T07:08:09.123456789Z")
    image = services.image_apply_state(host=host, team=team, state=state)
    image.refresh_from_db()
    assert image.built_at is not None and image.built_at.isoformat() == "2024-05-06T07:08:09.123456+00:00"
    services.image_apply_state(host=host, team=team, state=state)
    assert changes_told(site_broker, "image") == 1
    services.image_apply_state(host=host, team=team, state=ImageState(id=IMAGE_ID, tags=("a:1", "a:2")))
    assert changes_told(site_broker, "image") == 2
    assert Image.objects.get().tags == ["a:1", "a:2"]


@pytest.mark.parametrize("created", [None, "", "yesterday", "2024-13-45T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_any_creation_time_that_a_builder_wrote_is_survived(
    site_broker: Valkey, host: Host, team: Team, created: str | None
) -> None:
    services.image_apply_state(host=host, team=team, state=ImageState(id=IMAGE_ID, created_at=created))
    assert Image.objects.count() == 1


def test_an_inventory_forgets_what_the_host_has_no_more(
    site_broker: Valkey, host: Host, team: Team, image: Image
) -> None:
    services.image_apply_inventory(host=host, team=team, states=[ImageState(id="sha256:new")])
    assert list(Image.objects.values_list("image_id", flat=True)) == ["sha256:new"]


def test_a_password_at_rest_is_readable_only_with_the_sites_secret(settings: object) -> None:
    encrypted = password_encrypt("s3cret")
    assert "s3cret" not in encrypted and encrypted != password_encrypt("s3cret")
    assert password_decrypt(encrypted) == "s3cret"
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    with pytest.raises(DataCorrupt, match="enter it again"):
        password_decrypt(encrypted)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("Registry.Example.com:5000", "registry.example.com:5000"),
        ("localhost:5000", "localhost:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
    ],
)
def test_a_registry_is_known_by_the_name_that_references_use(text: str, name: str) -> None:
    assert registry_name(text) == name


@pytest.mark.parametrize("text", ["", "library", "a b.c", "example.com/team", "example.com:port", "x@y.z"])
def test_what_is_no_registry_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        registry_name(text)


def test_a_host_gets_what_it_needs_to_pull_the_images_that_are_mounted(
    team: Team, credential: RegistryCredential
) -> None:
    def asked(*mounts: str, image: str = "docker.io/library/alpine:latest") -> dict[str, Any]:
        command = CreateContainer(container_id="c" * 64, name="web", image=image, mounts=mounts)
        return command_secrets(team, "container.create", encode_command(command)) or {}

    private = f"type=image,source={credential.registry}/app:1,target=/x"
    assert asked() == asked("type=image,source=busybox,target=/x", "type=image,target=/y") == {}
    assert asked(f"type=image,source=sha256:{'0' * 64},target=/x") == {}
    found = asked(private, "type=image,source=busybox,target=/y")
    assert list(found) == ["registries"] and list(found["registries"]) == [credential.registry]
    assert found["registries"][credential.registry]["password"] == "s3cret"
    both = asked(private, image=f"{credential.registry}/main:1")
    assert (both["username"], both["registries"][credential.registry]["username"]) == ("ann", "ann")
