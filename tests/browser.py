"""Chromium without a window, for tests of what a visitor sees."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

#: Seconds in which a page must come.
LIMIT = 30

_OPTIONS = """
--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=900,700
""".split()


@contextlib.contextmanager
def chromium(profile: Path, *more: str):
    """Give a driver of a Chromium with a profile of its own, and with `more` options.

    The test is skipped where there is none.
    """
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on the path; Debian has it in chromium and chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for option in (*_OPTIONS, f"--user-data-dir={profile}", *more):
        options.add_argument(option)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(LIMIT)
    try:
        yield driver
    finally:
        driver.quit()


def artifacts(otherwise: Path) -> Path:
    """Return the folder for screenshots: the one that $ARTIFACTS names, or one inside of `otherwise`."""
    folder = Path(os.environ.get("ARTIFACTS") or otherwise / "artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def photograph(driver, path: Path) -> None:
    """Keep a screenshot."""
    assert driver.save_screenshot(str(path)) and path.read_bytes().startswith(b"\x89PNG")
