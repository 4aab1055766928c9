"""The debugger in Chromium: its page, its PIN, and code that runs in the frames of an error.

Screenshots are kept in the folder that $ARTIFACTS names, else in pytest's temporary one.
"""

from __future__ import annotations

import pytest

from ..browser import LIMIT, artifacts, chromium, photograph
from .programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

APP = """
import asyncio
from asyncflask import App, g

app = App(__name__)

async def double(n):
    await asyncio.sleep(0)
    return 2 * n

@app.get("/async")
async def an_async_view():
    treasure = {"gold": 3, "place": "async view"}
    g.key = "under the mat"
    raise LookupError("the map of the async view is missing")

@app.get("/tea")
async def tea():
    return "<title>tea</title>"

@app.get("/sync")
def a_sync_view():
    treasure = {"gold": 4, "place": "sync view"}
    g.key = "in the pot"
    raise LookupError("the map of the sync view is missing")
"""


@pytest.fixture
def served(tmp_path):
    """Address and PIN of an application that is debugged; at the end each error is in the log once."""
    (tmp_path / "app.py").write_text(APP)
    with Program(tmp_path, "-m", "asyncflask", "run", "--debug", "--no-reload", "--port", "0") as program:
        pin = program.wait_for(r"Debugger PIN: ([\d-]+)")[1]
        yield f"http://127.0.0.1:{program.port}", pin
        assert program.end() == 0
    for kind in ("async", "sync"):
        shown, logged = (
            program.text.count(text) for text in (f"GET /{kind} ", f"LookupError: the map of the {kind} view")
        )
        assert shown == logged, program.text
    assert "Exception in ASGI application" not in program.text


@pytest.fixture
def browser(tmp_path):
    # a name of somebody else's, which leads here: what DNS rebinding does
    with chromium(tmp_path / "profile", "--host-resolver-rules=MAP evil.example 127.0.0.1") as driver:
        yield driver


class Page:
    """The page of an error, with the console of its last frame."""

    def __init__(self, browser):
        from selenium.webdriver.support.ui import WebDriverWait

        self.browser = browser
        self.wait = WebDriverWait(browser, LIMIT)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def open_console(self):
        """Click on the icon of the console, in the line that has failed."""
        line = self.all(".frame")[-1].find_element("css selector", "pre.current")
        icon = line.find_element("css selector", "img")
        self.browser.execute_script("arguments[0].click()", icon)
        self.wait.until(lambda _: self.all(".console"))

    def enter_pin(self, pin):
        box = self.all(".pin-prompt")[0]
        self.wait.until(lambda _: box.is_displayed())
        field = box.find_element("name", "pin")
        field.clear()
        field.send_keys(pin)
        box.find_element("name", "btn").click()

    def alert(self):
        from selenium.webdriver.support import expected_conditions as conditions

        alert = self.wait.until(conditions.alert_is_present())
        text = alert.text
        alert.accept()
        return text

    def run(self, line):
        """Type a line into the console; return what it shows for it."""
        shown = len(self.all(".console .output > div"))
        field = self.all(".console input")[-1]
        field.send_keys(line, "\n")
        self.wait.until(lambda _: len(self.all(".console .output > div")) > shown)
        return self.all(".console .output > div")[-1].text


def test_an_error_is_looked_into(browser, served, tmp_path):
    address, pin = served
    page = Page(browser)
    for number, (kind, gold, key) in enumerate((("async", 3, "under the mat"), ("sync", 4, "in the pot"))):
        browser.get(f"{address}/{kind}")
        assert f"LookupError: the map of the {kind} view is missing" in browser.title
        assert [one.text for one in page.all(".frame .function")] == [
            "an_async_view" if kind == "async" else "a_sync_view"
        ]
        page.open_console()
        if number == 0:
            page.enter_pin("000-000-000")
            assert page.alert() == "Error: incorrect pin"
            assert "The console is locked" in page.run("treasure")
            photograph(browser, artifacts(tmp_path) / "debugger-locked.png")
            page.enter_pin(pin)
            page.wait.until(lambda _: not page.all(".pin-prompt")[0].is_displayed())
        assert page.run("treasure['gold']").endswith(str(gold))
        assert page.run("from asyncflask import g; g.key").endswith(f"'{key}'")
        assert page.run("await double(treasure['gold'])").endswith(str(2 * gold))
        assert "ZeroDivisionError" in page.run("1 / 0")
        photograph(browser, artifacts(tmp_path) / f"debugger-{kind}.png")
    browser.get(f"{address}/console")
    assert page.run("current_app.name").endswith("'app'")


FETCH = """
const [url, options, done] = arguments;
fetch(url, options).then(answer => done([answer.type, answer.status])).catch(error => done(["failed", 0]));
"""


def test_another_site_in_the_same_browser_runs_nothing(browser, served):
    """The other site knows the secret and a frame, and the browser has the cookie of the right PIN."""
    address, pin = served
    page = Page(browser)
    browser.get(f"{address}/sync")
    browser.get(f"{address}/async")
    page.open_console()
    page.enter_pin(pin)
    page.wait.until(lambda _: not page.all(".pin-prompt")[0].is_displayed())
    assert page.run("treasure['gold']").endswith("3")
    frame = page.all(".frame")[-1].get_attribute("id").removeprefix("frame-")
    secret = browser.execute_script("return SECRET")
    attack = f"/?__debugger__=yes&cmd=treasure.update(gold%3D0)&frm={frame}&s={secret}"
    ours = browser.current_window_handle

    browser.switch_to.new_window("tab")
    browser.get(address.replace("127.0.0.1", "evil.example") + "/tea")
    assert browser.execute_script("return location.hostname") == "evil.example"
    assert browser.execute_async_script(FETCH, attack, {}) == ["basic", 403]
    there = {"mode": "no-cors", "credentials": "include"}
    assert browser.execute_async_script(FETCH, address + attack, there) in (["opaque", 0], ["failed", 0])
    assert browser.execute_async_script(FETCH, address + attack, {"credentials": "include"}) == ["failed", 0]
    browser.get(address.replace("127.0.0.1", "evil.example") + "/async")
    assert browser.execute_script("return [EVALEX, SECRET]") == [False, ""]

    browser.switch_to.window(ours)
    assert page.run("treasure['gold']").endswith("3")
