"""What the tests stand on is real: the registries refuse strangers, the proxy breaks what it is told to break."""

import http.client
import urllib.error
import urllib.request

import pytest

from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.registry import Registry

pytestmark = pytest.mark.registry


def fetch(url: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as response:
        body: bytes = response.read()
    return body


def test_a_pushed_image_is_served(registry: Registry, tiny_image: str) -> None:
    assert tiny_image.startswith("127.0.0.1:")
    assert len(registry.manifest("tiny")["layers"]) == 1


def test_a_basic_registry_refuses_strangers(basic_registry: Registry) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(f"http://{basic_registry.address}/v2/tiny/manifests/latest")
    assert refused.value.code == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_bearer_registry_names_its_token_server(bearer_registry: Registry) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(f"http://{bearer_registry.address}/v2/tiny/manifests/latest")
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer realm=")
    assert bearer_registry.token_server is not None
    scope, accept = ["repository:public/tiny:pull"], "application/vnd.oci.image.manifest.v1+json"
    token = bearer_registry.token_server.token(None, scope)
    url = f"http://{bearer_registry.address}/v2/public/tiny/manifests/latest"
    assert b"layers" in fetch(url, Accept=accept, Authorization=f"Bearer {token}")


def test_the_fault_proxy_breaks_one_answer_and_then_serves(
    registry: Registry, tiny_image: str, fault_proxy: FaultProxy
) -> None:
    digest = registry.manifest("tiny")["layers"][0]["digest"]
    url = f"http://{fault_proxy.address}/v2/tiny/blobs/{digest}"
    whole = registry.blob_file(digest).read_bytes()
    fault_proxy.add(Fault("/blobs/", flip_at=1000))
    flipped = fetch(url)
    assert [n for n, (a, b) in enumerate(zip(flipped, whole, strict=True)) if a != b] == [1000]
    fault_proxy.add(Fault("/blobs/", status=503))
    with pytest.raises(urllib.error.HTTPError, match="503"):
        fetch(url)
    fault_proxy.add(Fault("/blobs/", cut_after_bytes=5000))
    with pytest.raises(http.client.IncompleteRead, match="5000 bytes read"):
        fetch(url)
    assert fetch(url) == whole
