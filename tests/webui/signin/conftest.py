from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.support.openid_provider import Provider
from tests.webui.cast import (  # noqa: F401
    build,
    container,
    credential,
    image,
    job,
    member,
    nobody,
    outsider,
    owner,
    teammate,
)
from tests.webui.live import live_site  # noqa: F401
from tests.webui.signin.going import add
from tests.webui.site_broker import host, site_broker, team  # noqa: F401
from webui.accounts.models import User
from webui.signin.models import IdentityProvider

PASSWORD = "tangerine otter seventeen"


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """Argon2 takes 50 ms by design; what is tested here is not how strong it is."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ann(db: None) -> User:
    """Somebody with a password and nothing else."""
    user = member("ann", None, "")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def browser() -> Client:
    """Nobody yet; forms need their CSRF token as anywhere."""
    return Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create(username="admin", is_superuser=True)


@pytest.fixture
def evil() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.close()


@pytest.fixture
def provider(evil: Provider, admin: User) -> IdentityProvider:
    """Where people of `evil` sign in, as long as it behaves."""
    return add(admin, evil.issuer)


def sign_in(client: Client, username: str = "ann", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login/", {"username": username, "password": password, **more})


def is_in(client: Client) -> bool:
    """Whether pages know who it is."""
    return "_auth_user_id" in client.session
