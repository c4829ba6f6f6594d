"""Pages as a browser shows them, and what is asked of each."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Error, Page, Request

from tests.support.large_report import large
from tests.support.report_builders import SCENARIOS, no_go
from tsse_validation.report.html.html_pages import render_page
from tsse_validation.report.model.document import ReportDocument
from tsse_validation.runlog.result import RunResult

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
DESK, PHONE = 1280, 390


def farm() -> RunResult:
    """Return a NO-GO with all there is to show: checks and sensors enough for filters, a heatmap that scrolls."""
    base = large(checks=45, sensors=30, days=20, one_bad_in=8)
    more = no_go()
    return base.model_copy(
        update={
            "windows": more.windows,
            "differences": (*base.differences, *more.differences),
            "findings": (*base.findings, *more.findings),
        }
    )


FARM = farm()
PAGES: dict[str, RunResult] = {**dict(SCENARIOS), "farm": FARM}


def rendered(of: RunResult) -> str:
    """Return the page of a result."""
    return render_page(ReportDocument.of(of))


@dataclass
class Show:
    """Opens pages from files; `misdeeds` are errors, dialogs, and requests for anything but the page itself."""

    browser: Browser
    directory: Path
    misdeeds: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(
        self,
        html: str,
        *,
        scheme: Scheme = "light",
        width: int = DESK,
        reduced_motion: bool = False,
        script: bool = True,
    ) -> Page:
        """Write a page and open it, wholly loaded."""
        path = self.directory / f"page-{len(self._contexts)}.html"
        path.write_text(html, encoding="utf-8", errors="replace")
        context = self.browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
            reduced_motion="reduce" if reduced_motion else "no-preference",
            java_script_enabled=script,
        )
        self._contexts.append(context)
        page = context.new_page()
        self._watch(page, path.as_uri())
        page.goto(path.as_uri())
        return page

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()

    def _watch(self, page: Page, address: str) -> None:
        def said(message: ConsoleMessage) -> None:
            self.misdeeds.append(f"console, {message.type}: {message.text}")

        def failed(error: Error) -> None:
            self.misdeeds.append(f"script error: {error.message}")

        def asked(request: Request) -> None:
            if request.url.partition("#")[0] != address:
                self.misdeeds.append(f"request: {request.url}")

        def interrupted(dialog: Dialog) -> None:
            self.misdeeds.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        page.on("console", said)
        page.on("pageerror", failed)
        page.on("request", asked)
        page.on("dialog", interrupted)
