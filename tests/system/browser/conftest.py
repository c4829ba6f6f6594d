"""The report in a real browser: the system's Chromium, driven by Playwright."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.system.browser.program import NoBrowserError, chromium, launch
from tests.system.browser.shown import Show


# not for the session: while Playwright runs, its event loop is in the way of tests that run one of their own
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser for a module; where there is none its tests are skipped, but not in CI."""
    try:
        chromium()
    except NoBrowserError as error:
        if os.environ.get("CI"):
            pytest.fail(f"the report was looked at by no browser: {error}", pytrace=False)
        pytest.skip(f"not run: {error}")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Show pages from files, each in a window of its own; what any of them did that it must not is an error."""
    shows = Show(browser, tmp_path)
    yield shows
    shows.close()
    assert shows.misdeeds == []
