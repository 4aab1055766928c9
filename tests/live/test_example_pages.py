"""The pages of examples/events and examples/uploads in Chromium, served by uvicorn as their READMEs say."""

from __future__ import annotations

import contextlib
import os
import re
import signal

import pytest

from ..browser import LIMIT, artifacts, chromium, photograph
from .programs import ROOT, Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: How many dots of the plot are of about a colour.
DOTS = """
const { width, height } = arguments[0], data = arguments[0].getContext("2d").getImageData(0, 0, width, height).data;
let count = 0;
for (let at = 0; at < data.length; at += 4)
  count += data[at + 3] > 128 && [0, 1, 2].every(n => Math.abs(data[at + n] - arguments[1][n]) < 40);
return count;
"""
BLUE, ORANGE = [11, 99, 206], [194, 65, 12]


@contextlib.contextmanager
def served(example, folder, **environment):
    words = ["-m", "uvicorn", "--app-dir", ROOT / "examples" / example, "--port", "0", "--no-use-colors", "app:asgi"]
    environment = {name: str(value) for name, value in environment.items()}
    with Program(folder, *words, environment=environment) as program:
        program.address = program.wait_for(r"running on (http://[\d.:]+)")[1]
        yield program
    assert not re.search(r'ERROR|Traceback|" 5\d\d ', program.text), program.text


@pytest.fixture
def browser(tmp_path):
    with chromium(tmp_path / "profile") as driver:
        yield driver


def until(browser, script, what):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, LIMIT, 0.05).until(lambda browser: browser.execute_script(f"return {script}"), what)


def test_the_dashboard_draws_what_comes(browser, tmp_path):
    with served("events", tmp_path, INTERVAL=0.05) as program:
        browser.get(program.address)
        until(browser, "document.getElementById('state').className == 'live'", "no connection")
        until(browser, "+document.body.dataset.last > 20", "no events")
        plot = browser.find_element("id", "plot")
        assert browser.execute_script(DOTS, plot, BLUE) > 50
        assert browser.execute_script(DOTS, plot, ORANGE) > 50
        browser.find_element("id", "work").click()
        until(browser, "+document.getElementById('cpu').textContent > 40", "the work does not show")
        photograph(browser, artifacts(tmp_path) / "events.png")
        # With the page open: a server with no options stops at once, and the page says so.
        program.send(signal.SIGTERM)
        assert program.process.wait(LIMIT) in (0, -signal.SIGTERM)
        until(browser, "document.getElementById('state').textContent == 'connecting again'", "it did not notice")


def test_an_upload_moves_the_bar(browser, tmp_path):
    large, folder = tmp_path / "large.bin", tmp_path / "there"
    large.write_bytes(os.urandom(30 * 2**20))
    (tmp_path / "small.txt").write_text("small")
    with served("uploads", tmp_path, UPLOADS=folder) as program:
        browser.get(program.address)
        # Slow enough for the bar to be seen on its way.
        browser.execute_cdp_cmd("Network.enable", {})
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 15 * 2**20}
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
        browser.find_element("name", "file").send_keys(f"{large}\n{tmp_path / 'small.txt'}")
        browser.execute_script(
            "window.seen = []; new MutationObserver(() => seen.push(bar.value)).observe(bar, {attributes: true})"
        )
        browser.find_element("css selector", "button").click()
        until(browser, "seen.some(value => value > 0 && value < 1)", "the bar did not move")
        photograph(browser, artifacts(tmp_path) / "uploads.png")
        until(browser, "document.getElementById('said').textContent.endsWith('done.')", "it did not end")
        values = browser.execute_script("return seen")
        assert values == sorted(values) and values[-1] == 1
        links = [link.text for link in browser.find_elements("css selector", "#files a")]
        assert links == ["large.bin", "small.txt"]
        assert (folder / "large.bin").read_bytes() == large.read_bytes()
        assert (folder / "small.txt").read_text() == "small"
        browser.get(program.address)
        assert "large.bin" in browser.find_element("id", "files").text
        program.send(signal.SIGTERM)
        assert program.process.wait(LIMIT) in (0, -signal.SIGTERM)
