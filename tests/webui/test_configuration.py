"""What the site's environment may get wrong is told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from webui.configuration import secret_key


def test_the_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = secret_key(home)
    assert len(key) > 40 and secret_key(home) == key
    assert (home / "secret-key").stat().st_mode & 0o777 == 0o600


def test_a_home_that_can_not_be_written_to_is_told_with_what_to_do() -> None:
    with pytest.raises(ImproperlyConfigured, match="start Portside as root"):
        secret_key(Path("/proc/portside"))  # where not even root makes directories
