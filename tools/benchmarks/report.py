"""Measures the report's page beside pytest-html's: ``python -m tools.benchmarks.report``.

Writes REPORT.md beside this file; the exit status is 1 when a bound is missed.
"""

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

from tests.support.large_report import large
from tests.system.browser.program import launch
from tools.benchmarks.writing import processor, table
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.model.document import ReportDocument

RESULTS = Path(__file__).with_name("REPORT.md")
CHECKS = (100, 1_000, 5_000)
FARM, LARGE_FARM = (40, 90), (1_000, 90)
LOADS = 5
MOST_BYTES, MOST_SECONDS = 3_000_000, 1.5
"""The bounds, held by the largest page: 5,000 checks, 1,000 sensors on 90 days."""
# Once all is loaded: lay out everything, let it be painted, and see how long that is since the navigation began.
_SETTLED = """async () => {
  document.body.offsetHeight;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() / 1000;
}"""


@dataclass(frozen=True)
class Measured:
    """One page: what it is, how large, and how long it took until it could be read, each time."""

    name: str
    checks: int
    size: int
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds of the middle load."""
        return statistics.median(self.seconds)


def ours(checks: int, farm: tuple[int, int]) -> bytes:
    """Render our page for so many checks and a farm of so many sensors and days."""
    sensors, days = farm
    return render_page(ReportDocument.of(large(checks=checks, sensors=sensors, days=days))).encode()


def pytest_html(tests: int) -> bytes:
    """Return pytest-html's page of a session with so many tests that pass and print nothing."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        source = (
            f"import pytest\n@pytest.mark.parametrize('n', range({tests}))\ndef test_one(n):\n    assert n >= 0\n"
        )
        (directory / "test_many.py").write_text(source)
        page = directory / "page.html"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:tsse_validation",
            "--rootdir",
            name,
            "-c",
            os.devnull,
        ]
        command += [f"--html={page}", "--self-contained-html", name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=directory)
        return page.read_bytes()


def main() -> int:
    """Measure all pages, write the table, and say whether the bounds hold."""
    begun, load = datetime.now(UTC), os.getloadavg()[0]
    with sync_playwright() as playwright:
        browser = launch(playwright)
        measured = list(_measured(browser))
        program = f"Chromium {browser.version}"
        browser.close()
    page = _page(measured, program, begun, load)
    RESULTS.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0 if all(held for _, _, held in _bounds(measured)) else 1


def _measured(browser: Browser) -> Iterator[Measured]:
    small, big = (f"{sensors:,} sensors × {days} days" for sensors, days in (FARM, LARGE_FARM))
    makers: list[tuple[str, int, Callable[[int], bytes]]] = [
        *((f"report.html, {small}", checks, lambda checks: ours(checks, FARM)) for checks in CHECKS),
        *(("pytest-html", checks, pytest_html) for checks in CHECKS),
        (f"report.html, {big}", CHECKS[-1], lambda checks: ours(checks, LARGE_FARM)),
    ]
    with TemporaryDirectory() as name:
        for what, checks, make in makers:
            path = Path(name) / "page.html"
            path.write_bytes(make(checks))
            seconds = tuple(_load(browser, path) for _ in range(LOADS))
            yield Measured(what, checks, path.stat().st_size, seconds)
            sys.stderr.write(f"{what}, {checks} checks: {statistics.median(seconds):.2f} s\n")


def _load(browser: Browser, path: Path) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(path.as_uri(), timeout=120_000)
    seconds = float(page.evaluate(_SETTLED))
    context.close()
    return seconds


def _bounds(measured: Sequence[Measured]) -> Iterator[tuple[str, str, bool]]:
    largest = measured[-1]
    what = f"{largest.checks:,} checks, {LARGE_FARM[0]:,} sensors × {LARGE_FARM[1]} days"
    size = f"{largest.size / 1e6:.2f} MB"
    yield f"{what}: below {MOST_BYTES / 1e6:.0f} MB", size, largest.size < MOST_BYTES
    yield f"{what}: below {MOST_SECONDS} s", f"{largest.median:.2f} s", largest.median < MOST_SECONDS


def _page(measured: Sequence[Measured], program: str, begun: datetime, load: float) -> str:
    of_pytest = {one.checks: one for one in measured if one.name == "pytest-html"}
    rows = [
        (
            f"{one.checks:,}",
            one.name,
            f"{one.size:,}",
            f"{one.size / of_pytest[one.checks].size:.2f} ×",
            f"{one.median:.2f} s",
            f"{one.median / of_pytest[one.checks].median:.2f} ×",
            f"{min(one.seconds):.2f} to {max(one.seconds):.2f} s",
        )
        for one in sorted(measured, key=lambda one: one.checks)
    ]
    circumstances = (
        f"- {begun:%Y-%m-%d %H:%M} UTC, load average before the run {load:.1f}\n"
        f"- {processor()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}\n"
        f"- {program}, headless, 1280 × 800; pytest {version('pytest')}, pytest-html {version('pytest-html')}"
    )
    remarks = (
        f"- Time is from the navigation until all is loaded, laid out and painted once: the median of {LOADS}"
        " loads, each in a fresh context.\n"
        "- Our page holds the checks with what each measured, the heatmap, the counts, and the differing rows: one"
        " of 70 sensors' days has lost a row.\n"
        "- pytest-html's page is self-contained, of tests that pass and print nothing: the least it can hold."
    )
    head = ("checks", "page", "bytes", "of pytest-html", "time", "of pytest-html", "from to")
    held = ((claim, measure, "yes" if holds else "**no**") for claim, measure, holds in _bounds(measured))
    parts = (
        "# The report's page beside pytest-html's",
        "Made by `python -m tools.benchmarks.report`, which `tox -e bench` runs too; do not edit.",
        circumstances,
        table(head, rows),
        remarks,
        "## Bounds",
        table(("bound", "measured", "held"), held),
    )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
