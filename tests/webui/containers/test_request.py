"""Who a container is and as whom it runs: what is taken of these, and what is not."""

from __future__ import annotations

import pytest

from engine.errors import InvalidArgument
from webui.containers.request import ContainerRequest, request_check


@pytest.mark.parametrize("hostname", ["web", "my_host", "_my.host_", "7"])
def test_a_host_name_may_have_underscores(hostname: str) -> None:
    request_check(ContainerRequest(image="alpine", hostname=hostname))


@pytest.mark.parametrize("hostname", ["", "-web", "web.", "my host", "h" * 64, "höst"])
def test_what_is_no_host_name_is_refused_with_the_rule(hostname: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        request_check(ContainerRequest(image="alpine", hostname=hostname))
    assert caught.value.detail["fields"] == {
        "hostname": ["Use 1 to 63 letters, digits, _ . and -, - and . neither first nor last."]
    }


@pytest.mark.parametrize("user", ["app", "1000:1000", "app:", ":app", ":50", "app:staff"])
def test_either_half_of_a_user_may_be_empty(user: str) -> None:
    request_check(ContainerRequest(image="alpine", run_as=user))


@pytest.mark.parametrize("user", ["", "a:b:c", "::", "a b", "a" * 65, "root; rm"])
def test_what_is_no_user_is_refused(user: str) -> None:
    with pytest.raises(InvalidArgument, match="Give a user, user:group or :group"):
        request_check(ContainerRequest(image="alpine", run_as=user))
