"""What the site's environment may get wrong is told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from webui.configuration import configuration_from, secret_key


def test_the_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = secret_key(home)
    assert len(key) > 40 and secret_key(home) == key
    assert (home / "secret-key").stat().st_mode & 0o777 == 0o600


def test_a_home_that_can_not_be_written_to_is_told_with_what_to_do() -> None:
    with pytest.raises(ImproperlyConfigured, match="start Portside as root"):
        secret_key(Path("/proc/portside"))  # where not even root makes directories


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("PORTSIDE_DATABASE_URL", "postgresql://portside:pa/ss@postgres/portside"),
        ("PORTSIDE_DATABASE_URL", "postgresql://portside:pa#ss@postgres/portside"),
        ("PORTSIDE_DATABASE_URL", "postgresql://portside:pass@postgres:port/portside"),
        ("PORTSIDE_REDIS_URL", "redis://:pa/ss@redis:6379/0"),
        ("PORTSIDE_REDIS_URL", "amqp://redis/0"),
    ],
)
def test_an_address_that_can_not_be_read_is_refused_without_a_word_of_its_password(variable: str, address: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{variable}: it ") as refused:
        configuration_from({"PORTSIDE_HOME": "/nowhere", variable: address})
    assert "ss@" not in str(refused.value) and "pass" not in str(refused.value).replace("passwords", "").replace(
        "user:password@", ""
    )


def test_a_password_with_escaped_characters_is_read() -> None:
    url = "postgresql://portside:p%2Fa%23@postgres:5433/portside"
    database = configuration_from({"PORTSIDE_DATABASE_URL": url}).database
    assert (database["PASSWORD"], database["HOST"], database["PORT"]) == ("p/a#", "postgres", "5433")


def test_a_socket_of_the_database_is_in_the_options() -> None:
    url = "postgresql://portside:@/portside?host=/run/postgresql"
    database = configuration_from({"PORTSIDE_DATABASE_URL": url}).database
    assert (database["USER"], database["HOST"], database["NAME"]) == ("portside", "/run/postgresql", "portside")
