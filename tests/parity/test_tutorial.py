"""Flask's tutorial application, unchanged: its own tests pass on asyncflask, and a browser finds it working.

Chromium with its driver is looked for on the path; the browser's test is skipped where there is none. Its screenshots
are kept in the folder that $ARTIFACTS names, else in pytest's temporary one.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess

import pytest

from ..browser import LIMIT, artifacts, chromium, photograph
from .flask_suite import TRANSPORTS, clean_environ, command, environment, unpack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: How many tests it has with Flask.
TESTS = 24

SERVE = """
import asyncflask
asyncflask.install_as_flask()
from flaskr import create_app
app = create_app()
"""


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment without Flask."""
    return environment()


@pytest.fixture
def tutorial(tmp_path):
    """A folder with the tutorial as Flask ships it."""
    folder = tmp_path / "tutorial"
    unpack("examples/tutorial", folder)
    return folder


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_its_own_tests_pass(python, tutorial, transport):
    plugin = clean_environ()["PYTHONPATH"]
    environ = clean_environ(PYTHONPATH=os.pathsep.join((plugin, str(tutorial))), ASYNCFLASK_TEST_TRANSPORT=transport)
    outcomes = tutorial.parent / "outcomes"
    plugins = ("-p", "as_flask", "-p", "ours_alone", "-p", "note_outcomes", "-p", "no:cacheprovider")
    options = ("-q", *plugins, f"--outcomes={outcomes}")
    command(python, "-m", "pytest", *options, cwd=tutorial, env=environ)
    passed = [line for line in outcomes.read_text().splitlines() if line.startswith("passed\t")]
    assert len(passed) == TESTS


@pytest.fixture
def served(python, tutorial):
    """The address of the tutorial, served by uvicorn with a new database; at the end its log has no errors."""
    (tutorial / "serve.py").write_text(SERVE)
    environ = clean_environ(PYTHONPATH=tutorial)
    command(python, "-m", "asyncflask", "--app", "serve", "init-db", cwd=tutorial, env=environ)
    words = [str(python), "-m", "uvicorn", "--port", "0", "--no-use-colors", "serve:app"]
    log = []
    with subprocess.Popen(
        words,
        cwd=tutorial,
        env=environ,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:
        try:
            address = None
            while not address:
                line = server.stdout.readline()
                assert line, f"the server ended: {''.join(log)}"
                log.append(line)
                address = re.search(r"running on (http://[\d.:]+)", line)
            yield address[1]
        finally:
            server.terminate()
            log += server.stdout.readlines()
    text = "".join(log)
    assert "POST /auth/login HTTP/1.1" in text, text
    assert not re.search(r'ERROR|Traceback|" 5\d\d ', text), text


@pytest.fixture
def browser(tmp_path):
    """Chromium without a window, with a profile of its own."""
    with chromium(tmp_path / "profile") as driver:
        yield driver


class Visitor:
    """Someone at the browser."""

    def __init__(self, browser, address, artifacts):
        self.browser, self.address, self.artifacts = browser, address, artifacts

    def open(self, path):
        self.browser.get(self.address + path)

    @contextlib.contextmanager
    def leads_to(self, path):
        """What is done inside leads to a new page, that of `path`; leave when it is there."""
        from selenium.webdriver.support.ui import WebDriverWait

        self.browser.execute_script("window.before = true")
        yield
        there = "return !window.before && document.readyState == 'complete' && location.pathname"
        WebDriverWait(self.browser, LIMIT).until(
            lambda browser: browser.execute_script(there) == path,
            f"{path} did not come; this is still there: {self.browser.current_url}",
        )

    def follow(self, text, path):
        """Click on a link, which leads to `path`."""
        with self.leads_to(path):
            self.browser.find_element("link text", text).click()

    def fill(self, path, **fields):
        """Write into the fields of a form and send it, which leads to `path`."""
        for name, text in fields.items():
            field = self.browser.find_element("name", name)
            field.clear()
            field.send_keys(text)
        with self.leads_to(path):
            self.browser.find_element("css selector", "input[type=submit]").click()

    @property
    def text(self):
        return self.browser.find_element("tag name", "body").text

    def photograph(self, name):
        photograph(self.browser, self.artifacts / f"{name}.png")


@pytest.fixture
def visitor(browser, served, tmp_path):
    return Visitor(browser, served, artifacts(tmp_path))


def test_a_visitor_writes_changes_and_deletes_a_post(visitor):
    visitor.open("/")
    visitor.follow("Register", "/auth/register")
    visitor.fill("/auth/login", username="ada", password="secret")
    visitor.fill("/auth/login", username="ada", password="wrong")
    assert "Incorrect password." in visitor.text
    visitor.fill("/", username="ada", password="secret")
    assert "Log Out" in visitor.text and "ada" in visitor.text

    visitor.follow("New", "/create")
    visitor.fill("/", title="<b>Grüße</b> & more", body="first\nsecond")
    assert "<b>Grüße</b> & more" in visitor.text and "by ada on" in visitor.text
    visitor.photograph("created")

    visitor.follow("Edit", "/1/update")
    assert visitor.browser.find_element("name", "body").get_attribute("value") == "first\nsecond"
    visitor.fill("/", title="Changed", body="third")
    assert "Changed" in visitor.text and "Grüße" not in visitor.text
    visitor.photograph("changed")

    visitor.follow("Edit", "/1/update")
    with visitor.leads_to("/"):
        visitor.browser.find_element("css selector", "input.danger").click()
        visitor.browser.switch_to.alert.accept()
    assert "Changed" not in visitor.text
    visitor.photograph("deleted")

    visitor.follow("Log Out", "/")
    assert "Log In" in visitor.text
    with visitor.leads_to("/auth/login"):
        visitor.open("/create")
