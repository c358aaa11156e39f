"""The page of rules: what it shows of their deliveries, and at what cost."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.webui.cast import Caller
from tests.webui.pages.test_access import browser_of
from webui.builds.models import BuildDelivery, BuildRule
from webui.builds.rules import RuleWish
from webui.hosts.models import Host
from webui.pages.views.build_rules import DELIVERIES_SHOWN

pytestmark = pytest.mark.django_db


def rule(host: Host, name: str, deliveries: int) -> None:
    wish = asdict(RuleWish(repository="https://git.example.com/app.git", names=["app:{branch}"]))
    made = BuildRule.objects.create(team=host.team, host=host, name=name, wish=wish, sealed_secret="x")
    for number in range(deliveries):
        BuildDelivery.objects.create(rule=made, delivery_id=str(number), ref=f"refs/heads/{number}", outcome="ignored")


def test_each_rule_has_its_latest_deliveries_and_costs_no_query(owner: Caller, host: Host) -> None:
    client = browser_of(owner)
    rule(host, "a", DELIVERIES_SHOWN + 5)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/builds/rules/").status_code == 200
        return len(captured)

    queries()  # what is looked up once, such as the session's place
    before = queries()
    for name in "bcd":
        rule(host, name, 3)
    assert queries() == before
    shown = client.get("/builds/rules/").context["rules"]
    assert [len(one["deliveries"]) for one in shown] == [DELIVERIES_SHOWN, 3, 3, 3]
    assert shown[0]["deliveries"][0]["ref"] == f"refs/heads/{DELIVERIES_SHOWN + 4}"
