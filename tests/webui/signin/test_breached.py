"""Which passwords are refused because everybody tries them."""

from __future__ import annotations

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from webui.signin.breached import FILE, is_breached


@pytest.mark.parametrize(
    "password",
    [
        "password123",
        "Password123!",
        "qwertyuiop",
        "1q2w3e4r5t",
        "iloveyou2026",
        "ILOVEYOU.2026",
        "1234567890",
        "\uff50assword1234",
    ],
)
def test_what_was_seen_in_breaches_is_refused_however_it_is_dressed(password: str) -> None:
    assert is_breached(password)
    with pytest.raises(ValidationError) as caught:
        validate_password(password)
    assert "breached" in {error.code for error in caught.value.error_list}


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "tangerine otter seventeen", "a much better one", "fünf Äpfel im Regal", "\ud800" * 12],
)
def test_others_are_let_through(password: str) -> None:
    assert not is_breached(password)


def test_the_list_is_small_enough_to_ship() -> None:
    assert 300_000 < FILE.stat().st_size < 400_000
