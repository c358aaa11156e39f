"""Registries as they are found: with TLS of their own, behind mirrors, with quotas; asked without fetching anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import InvalidArgument, NotFound, PermissionDenied, Unavailable
from engine.registry import transport
from engine.registry.access import Access
from engine.registry.auth import Credentials
from engine.registry.limits import RateLimit
from tests.engine.images.conftest import Host, open_host
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.oci_layout import Layout, tar_of
from tests.support.registry import PASSWORD, USERNAME, Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]
Push = Callable[..., str]
ALICE = Access(Credentials(USERNAME, PASSWORD))


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF_SECONDS", 0.005)


@pytest.fixture
def tls_registry(tmp_path: Path) -> Iterator[Registry]:
    (tmp_path / "tls").mkdir()
    server = Registry(tmp_path / "tls", auth="basic", tls=True)
    yield server
    server.close()


def test_a_registry_with_a_certificate_of_its_own(tls_registry: Registry, push: Push, tmp_path: Path) -> None:
    host = open_host(tmp_path / "strict", insecure_registries=())
    trusting = open_host(tmp_path / "other")
    image = trusting.images.pull(push({"a": b"1"}, {"b": b"2" * 3_000_000}, name="for-tls"))
    reference = tls_registry.reference("team/app:v1")
    trusting.images.tag(image.id, reference)
    alice = Credentials(USERNAME, PASSWORD)
    pushed = trusting.images.push(reference, access=Access(alice, ca_pem=tls_registry.ca_pem))
    with pytest.raises(Unavailable, match="add the certificate"):
        host.images.pull(reference, access=Access(alice))
    assert host.images.pull(reference, access=Access(alice, ca_pem=tls_registry.ca_pem)).id == image.id
    assert host.images.remote(reference, access=Access(alice, tls_verify=False)).digest == pushed.digest
    assert host.images.try_registry(tls_registry.address, Access(alice, ca_pem=tls_registry.ca_pem)).ok
    refused = host.images.try_registry(tls_registry.address, Access(alice))
    assert (refused.ok, refused.user) == (False, None)
    assert "certificate" in refused.message


@pytest.fixture
def mirror(registry: Registry, tmp_path: Path) -> Iterator[Registry]:
    """A pull-through cache of the open registry."""
    (tmp_path / "mirror").mkdir()
    server = Registry(tmp_path / "mirror", mirror_of=registry.address)
    yield server
    server.close()


def test_a_mirror_is_asked_first_and_the_registry_after_it(
    host: Host, push: Push, mirror: Registry, fault_proxy: FaultProxy
) -> None:
    push({"a": b"1"}, {"b": b"2"}, name="mirrored")
    reference = fault_proxy.reference("mirrored")
    through = FaultProxy(mirror.address)
    access = Access(Credentials("alice", "secret"), mirrors=("127.0.0.1:1", through.address))
    try:
        image = host.images.pull(reference, access=access)
        assert fault_proxy.requests == []
        assert image.digests[0].startswith(fault_proxy.reference("mirrored@"))
        asked = [path for _, path, _ in through.requests]
        assert asked
        assert all(path.endswith(f"ns=127.0.0.1%3A{fault_proxy.address.rpartition(':')[2]}") for path in asked)
        assert not any(through.authorizations)
        host.images.remove(image.id, uses=lambda _: [])
        through.add(Fault("/blobs/", status=404, times=99))
        assert host.images.pull(reference, access=access).id == image.id
        assert {path.split("/")[3] for _, path, _ in fault_proxy.requests} == {"blobs"}
        assert host.images.remote(reference, access=access).digest == image.digests[0].partition("@")[2]
    finally:
        through.close()
    host.images.remove(image.id, uses=lambda _: [])
    assert host.images.pull(reference, access=access).id == image.id


def test_a_mirror_is_signed_in_to_as_what_is_set_for_it(host: Host, basic_registry: Registry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image([layout.layer(tar_of({"a": b"1"}))])
    basic_registry.push(layout.directory, "behind-a-sign-in")
    there = basic_registry.address
    own = Access(Credentials(USERNAME, PASSWORD))
    nobody = Access(Credentials("alice", "the registry's"), mirrors=(there,))
    access = replace(nobody, of_mirrors={there: own})
    reference = "127.0.0.1:1/behind-a-sign-in"  # a registry that nobody reaches
    with pytest.raises(Unavailable):
        host.images.pull(reference, access=nobody)
    assert host.images.pull(reference, access=access).digests[0].startswith(reference)
    assert "mirror" in host.images.try_registry("127.0.0.1:1", nobody).message
    assert f"mirror {there}" not in host.images.try_registry("127.0.0.1:1", access).message


def test_a_quota_is_told_with_what_was_pulled_and_pushed(host: Host, push: Push, fault_proxy: FaultProxy) -> None:
    push({"a": b"1"}, name="counted")
    reference, limits = fault_proxy.reference("counted"), []
    host.images.pull(reference, limit_told=limits.append)
    assert limits == []
    fault_proxy.extra_headers = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600"}
    host.images.pull(reference, limit_told=limits.append)
    assert limits == [RateLimit(100, 76, 21600)]
    assert host.images.push(reference).rate_limit == RateLimit(100, 76, 21600)


def test_a_layer_goes_on_at_the_registry_where_the_mirror_broke(
    host: Host, push: Push, registry: Registry, fault_proxy: FaultProxy
) -> None:
    push({"noise": bytes(range(256)) * 20}, name="breaks")
    digest: str = registry.manifest("breaks")["layers"][0]["digest"]  # type: ignore[index]
    through = FaultProxy(registry.address)
    through.add(Fault(digest, cut_after_bytes=100))
    through.add(Fault(digest, status=500, times=99))
    try:
        host.images.pull(fault_proxy.reference("breaks"), access=Access(mirrors=(through.address,)))
    finally:
        through.close()
    assert [span for _, path, span in fault_proxy.requests if digest in path] == ["bytes=100-"]


def test_what_a_name_stands_for_is_asked_without_a_pull(
    host: Host, push: Push, basic_registry: Registry, fault_proxy: FaultProxy
) -> None:
    before = host.images.pull(push({"a": b"1"}, name="moves:v1"))
    reference = fault_proxy.reference("moves:v1")
    assert host.images.remote(reference).digest == before.digests[0].partition("@")[2]
    push({"a": b"2"}, name="moves:v1")
    after = host.images.remote(reference)
    assert after.digest != before.digests[0].partition("@")[2]
    assert after.rate_limit is None
    assert {method for method, _, _ in fault_proxy.requests} == {"HEAD"}
    headers = {
        "RateLimit-Limit": "100;w=21600",
        "RateLimit-Remaining": "76;w=21600",
        "Docker-Content-Digest": after.digest,
    }
    fault_proxy.add(Fault("/manifests/", "HEAD", status=200, headers=headers))
    assert host.images.remote(reference).rate_limit == RateLimit(100, 76, 21600)
    with pytest.raises(NotFound, match="check the name"):
        host.images.remote(fault_proxy.reference("moves:v2"))
    with pytest.raises(PermissionDenied):
        host.images.remote(basic_registry.reference("tiny"))
    assert host.images.list() == [before]


def test_a_registry_is_tried(
    host: Host, registry: Registry, basic_registry: Registry, bearer_registry: Registry, fault_proxy: FaultProxy
) -> None:
    assert host.images.try_registry(registry.address).ok
    unchecked = host.images.try_registry(registry.address, ALICE)
    assert (unchecked.ok, unchecked.user) == (True, None)
    assert "not checked" in unchecked.message
    wrong = Access(Credentials(USERNAME, "hunter2"))
    for server in (basic_registry, bearer_registry):
        known = host.images.try_registry(server.address, ALICE)
        assert (known.ok, known.user) == (True, USERNAME)
        refused = host.images.try_registry(server.address, wrong)
        assert (refused.ok, refused.user) == (False, None)
        assert "password" in refused.message
        assert "hunter2" not in repr(refused)
    assert not host.images.try_registry(basic_registry.address, Access()).ok
    away = host.images.try_registry("127.0.0.1:1", Access())
    assert not away.ok
    assert "can't be reached" in away.message
    fault_proxy.add(Fault("/v2/", status=404, times=99))
    assert "no registry" in host.images.try_registry(fault_proxy.address, Access()).message
    with_mirror = host.images.try_registry(registry.address, Access(mirrors=("127.0.0.1:1",)))
    assert not with_mirror.ok
    assert "mirror 127.0.0.1:1" in with_mirror.message


@pytest.mark.parametrize("name", ["", "word", "https://a.example", "a.example/path", "a b", "user@a.example"])
def test_what_is_no_registry_is_refused(host: Host, name: str) -> None:
    with pytest.raises(InvalidArgument, match="is not a registry"):
        host.images.try_registry(name, Access())


def test_a_used_up_quota_ends_a_pull_with_its_figures(host: Host, push: Push, fault_proxy: FaultProxy) -> None:
    push({"a": b"1"}, name="quota")
    headers = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "0;w=21600"}
    fault_proxy.add(Fault("/manifests/", status=429, headers=headers, times=99))
    with pytest.raises(Unavailable, match=r"100 in 6 hours, 0 left.*sign in") as refused:
        host.images.pull(fault_proxy.reference("quota"))
    assert refused.value.detail["rate_limit"] == {"limit": 100, "remaining": 0, "window_seconds": 21600}
    assert len(fault_proxy.requests) == 1
    fault_proxy.clear()
    fault_proxy.add(Fault("/manifests/", status=429, headers={"Retry-After": "7200"}, times=99))
    with pytest.raises(Unavailable, match="wait 2 hours"):
        host.images.pull(fault_proxy.reference("quota"))
    assert len(fault_proxy.requests) == 1
    fault_proxy.clear()
    fault_proxy.add(Fault("/manifests/", status=429, headers={"Retry-After": "0"}, times=2))
    assert host.images.pull(fault_proxy.reference("quota")).tags


def test_a_token_that_expires_in_the_middle_of_a_pull_is_renewed(
    host: Host, bearer_registry: Registry, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image([layout.layer(tar_of({"a": bytes(range(256)) * 10})), layout.layer(tar_of({"b": b"2"}))])
    bearer_registry.push(layout.directory, "expires:v1")
    server = bearer_registry.token_server
    assert server is not None
    proxy = FaultProxy(bearer_registry.address)
    challenge = f'Bearer realm="{server.realm}",service="{server.service}",error="invalid_token"'
    digests = [path.name for path in layout.blobs.iterdir()]
    for digest in digests:
        proxy.add(Fault(digest, cut_after_bytes=50))
        proxy.add(Fault(digest, status=401, headers={"WWW-Authenticate": challenge}))
    try:
        image = host.images.pull(proxy.reference("expires:v1"), access=ALICE)
    finally:
        proxy.close()
    assert (host.tree(image.chain_id)[0] / "b").read_bytes() == b"2"
