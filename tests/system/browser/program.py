"""The system's browser: Playwright brings none of its own."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


class NoBrowserError(Exception):
    """There is no browser to look at a page with."""


def chromium() -> Path:
    """Return the browser that CHROMIUM names, else the system's.

    Raises:
        NoBrowserError: there is none.

    """
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if named is None:
        raise NoBrowserError("no Chromium here (Debian's package: chromium)")
    if not Path(named).is_file():
        msg = f"no Chromium at {named}"
        raise NoBrowserError(msg)
    return Path(named)


def launch(playwright: Playwright) -> Browser:
    """Start it without a window.

    Raises:
        NoBrowserError: there is none.

    """
    # root may not use the sandbox; the pages are our own
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=chromium(), args=arguments)
