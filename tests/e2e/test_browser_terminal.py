"""The terminal in the browser as somebody uses it: Chromium, a real container, its pty and its processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium, visit
from tests.support.cut_proxy import CutProxy
from tests.support.portside import ADMIN_PASSWORD, Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.browser]

STATE = "[data-terminal-state]"
ROWS = ".terminal-box:not([hidden]) .xterm-rows"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def line(portside: Portside) -> Iterator[CutProxy]:
    """What lies between the browser and the site, and can be cut."""
    proxy = CutProxy(portside.address)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, shared_portside: Portside) -> Any:
    """What a browser knows of who has signed in once."""
    context = browser.new_context(base_url=shared_portside.url)
    opened = context.new_page()
    visit(opened, "/")
    opened.get_by_label("User name").fill("admin")
    opened.get_by_label("Password").fill(ADMIN_PASSWORD)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Overview")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(browser: Browser, line: CutProxy, signed_in: Any) -> Iterator[Page]:
    """Of somebody who has signed in; whatever the page complains of fails the test."""
    problems: list[str] = []
    context = browser.new_context(
        base_url=f"http://{line.address}",
        viewport=DESK,
        permissions=["clipboard-read", "clipboard-write"],
        storage_state=signed_in,
    )
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if "Security Policy" in message.text else None)
    yield opened
    context.close()
    assert problems == []


@pytest.fixture
def container(portside: Portside, tiny_image: str) -> dict[str, Any]:
    return portside.rest.run(tiny_image, "sleep", "600")


def open_terminal(page: Page, container: dict[str, Any]) -> None:
    """A shell whose prompt is `ready$ `, so that what it says can be told from what it is told."""
    visit(page, f"/containers/{container['id']}/")
    page.get_by_role("tab", name="Terminal").click()
    prompt(page)


def prompt(page: Page) -> None:
    expect(page.locator(STATE)).to_have_text("Connected")
    expect(page.locator(ROWS)).to_contain_text("#")
    page.keyboard.type("PS1='rea''dy$ '; clear\n")
    expect(page.locator(ROWS)).to_contain_text("ready$")


def said(page: Page) -> list[str]:
    """The lines on the screen, without what is empty."""
    lines = page.locator(f"{ROWS} > div").all_inner_texts()
    return [line.replace("\xa0", " ").rstrip() for line in lines if line.strip()]


def processes(portside: Portside, container: dict[str, Any], words: str) -> int:
    answer = portside.rest.get(f"/api/v1/containers/{container['id']}/top/")
    return answer.text.count(words)


def test_the_window_decides_the_size_of_the_pty(page: Page, container: dict[str, Any]) -> None:
    open_terminal(page, container)
    sizes: list[tuple[int, int]] = []

    def has_a_new_size() -> bool:
        page.keyboard.type("clear; stty size; echo do''ne\n")
        expect(page.locator(ROWS)).to_contain_text("done")
        height, width = map(int, said(page)[0].split())
        if height != page.locator(f"{ROWS} > div").count() or (height, width) in sizes:
            return False
        sizes.append((height, width))
        return True

    for window in (DESK, PHONE, {"width": 900, "height": 500}):
        page.set_viewport_size(window)  # type: ignore[arg-type]
        eventually(has_a_new_size, what=f"the size of a window of {window}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"
    assert sizes[0][1] > 120 > 60 > sizes[1][1] > 30
    assert sizes[2][0] < sizes[0][0]


def test_text_is_copied_and_pasted_and_ctrl_c_interrupts_where_nothing_is_chosen(
    page: Page, container: dict[str, Any]
) -> None:
    open_terminal(page, container)
    page.keyboard.type("clear; echo take-this-$((40+2))\n")
    expect(page.locator(ROWS)).to_contain_text("take-this-42")
    box = page.locator(f"{ROWS} > div", has_text="take-this-42").last.bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 20, box["y"] + box["height"] / 2)
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == "take-this-42", "Ctrl-C copies what is chosen"
    page.keyboard.press("Control+Shift+c")
    assert page.evaluate("navigator.clipboard.readText()") == "take-this-42"

    page.keyboard.type("clear; echo re''ading; cat\n")
    expect(page.locator(ROWS)).to_contain_text("reading")
    page.keyboard.type("running\n")
    eventually(lambda: said(page).count("running") == 2, what="what is typed and what comes back")
    page.keyboard.press("Control+c")
    expect(page.locator(ROWS)).to_contain_text("ready$")
    page.keyboard.type("echo code-$?\n")
    expect(page.locator(ROWS)).to_contain_text("code-130")

    # A program that asks for it learns what is pasted from what is typed; one that doesn't gets it as it is.
    page.keyboard.type("clear; printf '\\033[?2004h'; stty -echo; od -c | head -n 3; stty echo\n")
    page.evaluate("navigator.clipboard.writeText('one\\ntwo')")
    page.wait_for_timeout(300)
    page.keyboard.press("Control+Shift+v")
    page.keyboard.type("\n")
    page.keyboard.press("Control+d")
    expect(page.locator(ROWS)).to_contain_text("0000020")
    shown = " ".join(said(page))
    assert "033 [ 2 0 0 ~ o n e" in " ".join(shown.split())


def test_a_cut_line_loses_and_repeats_nothing(page: Page, line: CutProxy, container: dict[str, Any]) -> None:
    open_terminal(page, container)
    page.keyboard.type("kept=state; clear; (sleep 0.5; echo; echo in-''between) &\n")
    expect(page.locator(ROWS)).to_contain_text("ready$")
    line.cut()
    expect(page.locator(STATE)).to_have_text("Connection lost, trying again")
    page.keyboard.type("echo typed-''blind >> /typed\n")
    page.wait_for_timeout(600)  # meanwhile the shell has said something
    line.mend()
    expect(page.locator(STATE)).to_have_text("Connected")
    expect(page.locator(ROWS)).to_contain_text("in-between")
    # In the midst of typing and of output.
    page.keyboard.type("clear; seq 50000; echo $kept-$((1+1))\n")
    expect(page.locator(ROWS)).to_contain_text("00")
    page.keyboard.type("echo typed-''in-")
    line.cut()
    page.keyboard.type("two-parts >> /typed\n")
    line.mend()
    expect(page.locator(ROWS)).to_contain_text("state-2")
    rows = [row for row in said(page) if row.isdigit()]
    assert len(rows) > 10
    assert [*map(int, rows)] == list(range(50001 - len(rows), 50001)), "every line, once"
    page.keyboard.type("clear; cat /typed\n")
    expect(page.locator(ROWS)).to_contain_text("typed-in-two-parts")
    assert [row for row in said(page) if row.startswith("typed-")] == ["typed-blind", "typed-in-two-parts"]


def test_tabs_are_shells_of_their_own_and_closing_one_ends_its_processes(
    page: Page, portside: Portside, container: dict[str, Any]
) -> None:
    open_terminal(page, container)
    page.keyboard.type("me=first; sleep 1111 & \n")
    page.get_by_text("New", exact=True).click()
    page.get_by_role("button", name="Open a terminal").click()
    prompt(page)
    page.keyboard.type("clear; echo second-$me.; sleep 2222\n")
    expect(page.locator(ROWS)).to_contain_text("second-.")
    page.get_by_role("tab", name="shell 1").click()
    page.keyboard.type("clear; echo again-$me.\n")
    expect(page.locator(ROWS)).to_contain_text("again-first.")
    assert "second" not in page.locator(ROWS).inner_text()
    eventually(lambda: processes(portside, container, "sleep 2222") == 1, what="the second shell's program")
    page.get_by_role("button", name="Close shell 2").click()
    eventually(lambda: processes(portside, container, "sleep 2222") == 0, what="its end")
    page.keyboard.type("clear; echo still-$me.\n")
    expect(page.locator(ROWS)).to_contain_text("still-first.")
    page.keyboard.type("exit 4\n")
    expect(page.locator(ROWS)).to_contain_text("Ended with code 4.")


def test_who_has_no_mouse_gets_in_and_out(page: Page, container: dict[str, Any]) -> None:
    open_terminal(page, container)
    focused = "document.activeElement.closest('[data-terminal-screens]') !== null"
    assert page.evaluate(focused)
    hint = page.locator("#terminal-keys")
    expect(hint).to_contain_text("Shift+Escape leaves the terminal")
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "terminal-keys"
    page.keyboard.type("clear; cat -A\n")
    page.keyboard.press("Tab")  # is the program's
    page.keyboard.type("x\n")
    expect(page.locator(ROWS)).to_contain_text("^Ix")
    assert page.evaluate(focused)
    page.keyboard.press("Shift+Escape")
    assert not page.evaluate(focused)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "tab", "the open terminals come first"
    page.keyboard.press("Enter")
    assert page.evaluate(focused), "the terminal that one has chosen takes the keys"
    page.keyboard.press("Control+c")


def test_hostile_output_does_no_harm(page: Page, container: dict[str, Any]) -> None:
    open_terminal(page, container)
    title = page.title()
    page.evaluate("navigator.clipboard.writeText('mine')")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.context.on("page", lambda other: asked.append(other.url))
    hostile = (
        r"\033]52;c;c3RvbGVu\a"  # set the clipboard
        r"\033]52;c;?\a"  # and ask for it
        r"\033]0;taken over\a\033]2;taken over\033\\"
        r"\033]8;;javascript:alert(1)\033\\link\033]8;;\033\\"
        r"\033]1337;File=inline=1:AAAA\a\033]9;note\a\033P$q\"p\033\\\033[21t\033[?1006;1003h"
        r"<img src=x onerror=alert(1)>\033[6n\033[>c"
    )
    page.keyboard.type(f"clear; printf '{hostile}'; sleep 0.3; clear; echo sur''vived\n")
    expect(page.locator(ROWS)).to_contain_text("survived")
    assert page.title() == title
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    page.keyboard.press("Control+c")
    page.keyboard.type("clear; yes 'a line that is as long as a line can be' | head -n 20000; echo do''ne\n")
    expect(page.locator(ROWS)).to_contain_text("done", timeout=60_000)
    assert page.evaluate("document.querySelectorAll('.xterm-rows > div').length") < 200
    page.keyboard.type("clear; echo qu''ick\n")
    expect(page.locator(ROWS)).to_contain_text("quick")
    page.keyboard.type("clear; head -c 20000 /bin/busybox; reset; echo bin''ary\n")
    expect(page.locator(ROWS)).to_contain_text("binary")
    assert asked == []


def test_a_paste_of_more_than_the_host_takes_at_once_arrives_whole(page: Page, container: dict[str, Any]) -> None:
    """What echoes fills both ways: the page's own word of what it has shown must not stand behind the rest."""
    open_terminal(page, container)
    lines = "".join(f"{number:059d}\n" for number in range(10_000))  # 600 kB
    page.evaluate("text => navigator.clipboard.writeText(text)", lines)
    page.keyboard.type("clear; cat > /tmp/pasted\n")
    page.keyboard.press("Control+Shift+v")
    page.keyboard.press("Control+d")
    page.keyboard.type("clear; wc -c < /tmp/pasted; echo do''ne\n")
    expect(page.locator(ROWS)).to_contain_text("done")
    assert said(page)[0] == str(len(lines))


def test_a_line_for_who_has_no_terminal_is_corrected_here_and_sent_whole(
    page: Page, portside: Portside, tiny_image: str
) -> None:
    def comes_back(line: str) -> None:
        """Beside what was typed; who types on before has it in the middle of the next line, as in any terminal."""
        eventually(lambda: said(page).count(line) == 2, what=f"{line} again")

    container = portside.rest.run(tiny_image, "cat", stdin_open=True)
    visit(page, f"/containers/{container['id']}/")
    page.get_by_role("tab", name="Terminal").click()
    expect(page.locator(STATE)).to_have_text("Connected")
    page.get_by_role("button", name="Attach").click()
    expect(page.get_by_role("tab", name="attached 2")).to_have_attribute("aria-selected", "true")
    expect(page.locator(STATE)).to_have_text("Connected")
    page.keyboard.type("helxx")
    for _ in range(2):
        page.keyboard.press("Backspace")
    page.keyboard.press("ArrowUp")
    page.keyboard.type("lo\n")
    comes_back("hello")
    page.keyboard.type("all of this")
    page.keyboard.press("Control+u")
    page.keyboard.type("kept words")
    page.keyboard.press("Control+w")
    page.keyboard.type("this\n")
    comes_back("kept this")
    page.keyboard.type("never sent")
    page.keyboard.press("Control+c")
    page.keyboard.type("end\n")
    comes_back("end")
    lines = ["hello", "kept this", "end"]
    eventually(
        lambda: portside.rest.get(f"/api/v1/containers/{container['id']}/logs/").text.splitlines() == lines,
        what="what the process was given",
    )
    page.get_by_role("button", name="Close attached 2").click()
    page.get_by_role("button", name="Close shell 1").click()
    expect(page.get_by_text("No terminal is open")).to_be_visible()
    assert page.evaluate("document.activeElement.innerText.trim()") == "New"


def test_what_is_written_on_a_ground_can_be_read_and_the_menu_is_whole_beside_many_terminals(
    page: Page, container: dict[str, Any]
) -> None:
    open_terminal(page, container)
    page.keyboard.type("clear; printf '\\033[30;42mthe-''tag\\033[0m\\n'\n")
    text = page.locator(f"{ROWS} span", has_text="the-tag").last
    expect(text).to_be_visible()
    contrast = """element => {
      const light = (colour) => {
        const [r, g, b] = (colour.match(/[0-9.]+/g) ?? [0, 0, 0]).map((part) => part / 255).map((part) =>
          part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
      };
      const style = getComputedStyle(element);
      const [low, high] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
      return high / low;
    }"""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        eventually(lambda: text.evaluate(contrast) > 4.4, what=f"contrast, {scheme}")
    menu = page.locator("[data-terminal-summary]")
    for _ in range(9):
        menu.click()
        page.get_by_role("button", name="Open a terminal").click()
    menu.click()
    form, card = page.locator("[data-terminal-form]").bounding_box(), page.locator("#terminals").bounding_box()
    assert form is not None and card is not None
    assert card["x"] <= form["x"] and form["x"] + form["width"] <= card["x"] + card["width"]
