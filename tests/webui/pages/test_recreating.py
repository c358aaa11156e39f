"""A container is made anew from its page: asked before, followed, and shown in its new place."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from tests.webui.pages.test_changing import JOB, WEB, answered, as_json
from webui.containers.models import Container
from webui.jobs.models import Job
from webui.jobs.representation import job_as_json

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEW = hex_id("fresh")
ACCEPTED = {"job": {"id": JOB, "url": f"/api/v1/jobs/{JOB}/"}}


def recreation(seeded: Seeded, status: str, **more: Any) -> dict[str, Any]:
    job: Job = seeded.jobs["pull"]
    job.pk, job.kind, job.subject, job.command = JOB, "container.recreate", WEB, {"container_id": NEW}
    return job_as_json(job) | {"id": JOB, "status": status, "progress": {"phase": "stopping web", "items": []}, **more}


@pytest.mark.parametrize("pulls", [False, True])
def test_it_is_asked_for_and_followed_to_the_new_one(
    page: Page, sockets: Sockets, seeded: Seeded, *, pulls: bool
) -> None:
    visit(page, f"/containers/{WEB}/")
    sockets.events.wait()
    sent = answered(page, f"containers/{WEB}/recreate/", 202, ACCEPTED)
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Recreate as it is").click()
    expect(page.locator("#confirm-dialog")).to_contain_text("Recreate web?")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    assert not sent
    page.get_by_label("Pull its image before").set_checked(pulls)
    page.locator("#confirm-yes").click()
    expect(page.locator("#confirm-dialog")).to_be_hidden()
    sockets.change("job", recreation(seeded, "running"), id="3-0")
    sockets.change("container", as_json(desired_status="removed"), id="4-0")
    expect(page.locator("#creation")).to_contain_text("Stopping web")
    expect(page.locator('[data-field="leaving"]')).to_have_text("being replaced")
    assert sent == [{"keep": True, "pull": "always"} if pulls else {"keep": True}]
    answered(page, f"jobs/{JOB}/", 200, recreation(seeded, "running"))
    sockets.change("container", as_json(), action="removed", id="5-0")  # its job has not ended yet
    page.wait_for_timeout(1200)
    assert page.url.endswith(f"/containers/{WEB}/")
    sockets.change("job", recreation(seeded, "succeeded", result={"container_id": NEW}), id="6-0")
    page.wait_for_url(f"**/containers/{NEW}/")


def test_an_end_that_was_missed_is_found_out(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{WEB}/")
    sockets.events.wait()
    sockets.change("job", recreation(seeded, "running"), id="3-0")
    expect(page.locator("#creation")).to_be_visible()
    answered(page, f"jobs/{JOB}/", 200, recreation(seeded, "succeeded", result={"container_id": NEW}))
    answered(page, f"containers/{WEB}/", 404, {"status": 404, "detail": "gone"})
    sockets.events.send(type="reset", id="9-0")
    page.wait_for_url(f"**/containers/{NEW}/")


def test_one_that_stays_says_why(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, f"/containers/{WEB}/")
    sockets.events.wait()
    error = {"family": "unavailable", "message": "no registry; container web is as it was", "detail": {}}
    sockets.change("job", recreation(seeded, "failed", error=error), id="3-0")
    expect(page.locator("#toasts")).to_contain_text("web: no registry; container web is as it was")
    expect(page.locator("#creation")).to_be_hidden()
    expect(page.locator('[data-field="leaving"]')).to_be_hidden()


def test_it_is_offered_where_it_can_be_had(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    Container.objects.filter(pk=WEB).update(image="sha256:" + "a" * 64)
    visit(page, f"/containers/{WEB}/")
    page.get_by_label("More actions").click()
    page.get_by_role("button", name="Recreate as it is").click()
    expect(page.locator("#confirm-extra")).to_be_hidden()  # an id stands for one image for ever
    web = Container.objects.get(pk=WEB)
    Container.objects.filter(pk=WEB).update(spec={**web.spec, "auto_remove": True})
    visit(page, f"/containers/{WEB}/")
    page.get_by_label("More actions").click()
    expect(page.get_by_role("button", name="Rename")).to_be_visible()
    expect(page.get_by_role("button", name="Recreate as it is")).to_have_count(0)
