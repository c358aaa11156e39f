"""Secrets that came in by a real site's doors are in none of its files afterwards, logs and the broker's among them."""

import contextlib
from pathlib import Path

import pytest
import urllib3

from tests.support.portside import ADMIN_PASSWORD, Portside
from tests.support.rest import Rest

pytestmark = [pytest.mark.root, pytest.mark.registry]

REGISTRY, WRONG, TYPED, GIT = "registry-s3cret-0001", "wrong-s3cret-0002", "typed-s3cret-0003", "git-s3cret-0004"


def test_no_file_of_a_home_holds_a_secret_that_came_in(portside: Portside, tiny_image: str) -> None:
    """All that is asked for here fails somewhere: what goes wrong is what is logged."""
    rest = portside.rest
    stored = rest.post(
        "/api/v1/registries/", {"registry": "127.0.0.1:1", "username": "ann", "password": REGISTRY, "plain_http": True}
    )
    assert stored.status == 201, stored
    rest.fail(rest.post("/api/v1/images/pull/", {"reference": "127.0.0.1:1/nothing/here:1"}))
    build = {"repository": f"https://ann:{GIT}@127.0.0.1:1/app.git", "tags": ["app:1"]}
    answer = rest.post("/api/v1/builds/", build)
    if answer.status == 202:
        rest.job(answer)
    with_wrong = Rest(portside.url, f"ps_{WRONG}")
    assert with_wrong.get("/api/v1/hosts/").status == 401
    assert with_wrong.post("/api/v1/containers/", {"image": tiny_image}).status == 401
    assert with_wrong.get("/v1.43/containers/json").status == 401
    pool = urllib3.PoolManager(retries=False)
    for path in (f"/api/v1/hosts/?token={WRONG}", f"/invitations/{WRONG}/", f"/ws/events/?token={WRONG}", "/login/"):
        pool.request("POST", portside.url + path, fields={"username": "admin", "password": TYPED}, redirect=False)
    assert rest.call("POST", "/api/v1/containers/", {"image": 1, "password": TYPED}).status == 400
    rest.delete(f"/api/v1/registries/{stored.json['id']}/")
    secrets = {"token": str(rest.token), "password": ADMIN_PASSWORD, "registry": REGISTRY, "typed": TYPED}
    secrets |= {"wrong token": WRONG, "git": GIT}
    found = {
        (name, str(path.relative_to(portside.home.path)))
        for path in files(portside.home.path)
        for name, secret in secrets.items()
        if secret.encode() in content(path)
    }
    assert found == set(), [line for line in portside.log.read_text().splitlines() if WRONG in line]
    assert b"/api/v1/registries/" not in content(portside.log) and portside.log.stat().st_size, "the log is looked at"


def files(home: Path) -> list[Path]:
    """What is the site's, the worker's and the broker's: not the files of images and containers."""
    left_out = {home / "layers", home / "containers", home / "content", home / "blobs"}
    return [
        path for path in home.rglob("*") if path.is_file() and not path.is_symlink() and not left_out & {*path.parents}
    ]


def content(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""
