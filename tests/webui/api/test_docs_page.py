"""The page to browse and try the API: it works in a real browser, under its own policy, with the session's rights."""

from __future__ import annotations

import pytest
from django.test import Client
from playwright.async_api import async_playwright

from tests.support.browser import ARGUMENTS, CHROMIUM
from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import Caller
from webui.live.loop import in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]


async def test_a_person_reads_and_writes_through_the_docs_page(live_site: str, owner: Caller) -> None:
    def session() -> str:
        client = Client()
        client.force_login(owner.user)
        return client.cookies["sessionid"].value

    cookie = {"name": "sessionid", "value": await in_thread(session), "url": f"http://{live_site}"}
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = await browser.new_context()
        context.set_default_timeout(2 * PATIENCE_SECONDS * 1000)  # it draws some two hundred operations
        await context.add_cookies([cookie])
        page = await context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"http://{live_site}/")  # hands out the CSRF cookie
        await page.goto(f"http://{live_site}/api/v1/docs/")
        for name, status in (("teams_list", "200"), ("tokens_create", "201")):
            block = page.locator(f"#operations-{name.split('_')[0]}-{name}")
            await page.locator(f"#operations-tag-{name.split('_')[0]}").click()
            await block.locator(".opblock-summary").click()
            await block.get_by_text("Try it out").click()
            await block.get_by_role("button", name="Execute").click()
            answer = block.locator(".live-responses-table .response-col_status").nth(1)
            await answer.wait_for()
            assert status in await answer.inner_text()
        await browser.close()
    assert complaints == []
