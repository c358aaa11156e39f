"""A NUL in an address is nothing that there is, on PostgreSQL too, which fails when it is asked for one."""

from __future__ import annotations

import pytest

from tests.webui.cast import Caller, owner  # noqa: F401
from tests.webui.pages.test_access import browser_of
from tests.webui.site_broker import team  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["hosts/a%00b/", "hosts/a%00b/disk-usage/", "volumes/1/snapshots/%00/", "images/1/attachments/%00/"]
)
def test_rest_knows_nothing_with_a_nul_in_its_name(owner: Caller, path: str) -> None:  # noqa: F811
    answer = owner.delete(path) if "snapshots" in path else owner.get(path)
    assert answer.status_code == 404 and answer.json()["family"] == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        *("/hosts/a%00b/", "/containers/%00/", "/images/%00/", "/builds/%00/", "/containers/removed/%00/"),
        *("/containers/?q=%00", "/builds/?q=a%00", "/networks/?q=%00", "/volumes/?q=%00", "/recordings/?container=%00"),
        *("/containers/new/?like=%00", "/networks/topology/?host=%00", "/jobs/?anything=%00"),
    ],
)
def test_pages_know_nothing_with_a_nul_in_it(owner: Caller, path: str) -> None:  # noqa: F811
    assert browser_of(owner).get(path).status_code == 404
