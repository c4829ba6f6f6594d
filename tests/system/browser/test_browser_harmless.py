"""The report fetches nothing, says nothing on the console, and no name in it can do or disturb anything."""

import pytest
from playwright.sync_api import Page

from tests.support.report_builders import hostile
from tests.system.browser.shown import DESK, FARM, PAGES, PHONE, Show, rendered

pytestmark = pytest.mark.slow

NAMES = {
    "an image that fails": "<img src=x onerror=alert(1)>",
    "an image from elsewhere": "<img src=http://127.0.0.1:9/x><link rel=stylesheet href=//127.0.0.1:9/y>",
    "the end of the script": "</script><script>alert(1)</script>",
    "the end of the style": "</style></table></section><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "quotes": '" onmouseover="alert(1)" autofocus onfocus=\'alert(1)\' `',
    "an override of the reading direction": "\u202egnp.exe\u202c\u2066",
    "right to left": "חיישן-הטמפרטורה مستشعر",
    "emoji": "👩‍🚀🏳️‍🌈" * 20,
    "ten thousand letters": "w" * 10_000,
    "ten thousand letters with spaces": "wide word " * 1_000,
    "marks above and below": "Z" + "͓̽" * 200,
    "a line of line breaks": "a\n\n\n\tb",
}

# Texts that lie outside of the report, and outside of whatever scrolls: they cannot be read.
CUT_OFF = """() => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const report = document.querySelector(".tsse-report").getBoundingClientRect();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest(".tsse-scroll, .tsse-skip")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.right > report.right + 1 || box.left < report.left - 1) found.push(element.outerHTML.slice(0, 200));
  }
  return found;
}"""


def fits_every_window(page: Page) -> None:
    for width in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(CUT_OFF) == []
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_quiet_and_fits_every_window(show: Show, name: str) -> None:
    page = show(rendered(PAGES[name]))
    fits_every_window(page)


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES.keys())
def test_a_hostile_name_does_nothing_adds_nothing_and_breaks_no_layout(show: Show, text: str) -> None:
    count = "document.querySelectorAll('*').length"
    expected = show(rendered(hostile("plain"))).evaluate(count)
    page = show(rendered(hostile(text)))
    assert page.evaluate(count) == expected
    heatmap = page.locator(".tsse-heat-scroll")
    heatmap.hover()
    heatmap.press("Enter")
    page.locator(".tsse-picked").wait_for()
    fits_every_window(page)
    assert page.locator("img, iframe, link, object, [onerror], [onmouseover], [onfocus], [autofocus]").count() == 0


def test_what_gets_into_the_page_all_the_same_cannot_run(show: Show) -> None:
    broken_in = "<script>window.ran = true</script><svg onload='window.ran = true'></svg>"
    page = show(rendered(FARM).replace("</h1>", f"</h1>{broken_in}", 1))
    assert page.evaluate("window.ran") is None
    assert [said for said in show.misdeeds if "Content Security Policy" not in said] == []
    assert len(show.misdeeds) >= 2
    show.misdeeds.clear()
