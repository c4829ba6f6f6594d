"""Everyone can read the report: axe-core's rules, and what it leaves to others."""

from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.support.report_builders import crashed, empty, go, hostile, no_go
from tests.system.browser.shown import FARM, PAGES, PHONE, SCHEMES, Scheme, Show, rendered
from tsse_validation.report.html.html_pages import render_index, render_page, render_summary
from tsse_validation.report.html.trend import Run, Runs
from tsse_validation.report.model.document import ReportDocument

pytestmark = pytest.mark.slow

WCAG = {
    # what passes is not described, element by element: that is what takes most of the time
    "resultTypes": ["violations"],
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    },
}

# Every text with its colour and the first ground behind it; a text in a picture has its fill for a colour.
TEXTS = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (text) => channels(text).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      const alpha = channels(colour)[3] ?? 1;
      if (alpha === 1) return colour;
      if (alpha > 0) return `rgb(${NaN})`;
    }
    return getComputedStyle(document.documentElement).colorScheme;
  };
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest("script, style")) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push([node.textContent.trim().slice(0, 40), contrast(colour, ground(element)), large ? 3 : 4.5]);
  }
  return found;
}"""


def violations(page: Page, within: str | None = None) -> list[str]:
    """Return what axe-core finds wrong."""
    results = Axe().run(page, context=within, options=WCAG).response
    return [
        f"{found['id']}: {node['html']} {node['failureSummary']}"
        for found in results["violations"]
        for node in found["nodes"]
    ]


def pages() -> dict[str, str]:
    """Return every page that the reports have: of each kind of run, of two runs compared, of many."""
    documents = map(ReportDocument.of, (go(), no_go(), crashed()))
    runs = [Run.of(document, "a", linked=True, borne_out=True) for document in documents]
    return {
        **{name: rendered(of) for name, of in PAGES.items()},
        "compared": render_page(ReportDocument.of(crashed()), earlier=ReportDocument.of(FARM)),
        "index": render_index(Runs(tuple(runs), ("lost",), 3)),
        "hostile": rendered(hostile("<img src=x onerror=alert(1)>")),
    }


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        *((name, "light") for name in ("farm", "crashed", "live api only", "compared", "index", "hostile")),
        *((name, "dark") for name in ("farm", "crashed", "index")),
    ],
)
def test_axe_finds_nothing_against_wcag_2_2_aa(show: Show, name: str, scheme: Scheme) -> None:
    page = show(pages()[name], scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert violations(page) == []


def test_axe_finds_nothing_on_a_phone_either_with_a_cell_opened(show: Show) -> None:
    page = show(rendered(FARM), width=PHONE)
    page.locator(".tsse-heat-scroll").press("Enter")
    assert page.locator(".tsse-picked").is_visible()
    assert violations(page) == []


def test_axe_would_find_what_is_wrong(show: Show) -> None:
    page = show(rendered(empty()).replace('<html lang="en">', "<html>"))
    page.locator("h1").evaluate("(heading) => { heading.style.color = '#ccc'; }")
    assert {found.partition(":")[0] for found in violations(page)} == {"html-has-lang", "color-contrast"}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["go", "no-go", "crashed", "farm", "index", "compared"])
def test_every_text_has_contrast_as_it_is_computed(show: Show, name: str, scheme: Scheme) -> None:
    texts = show(pages()[name], scheme=scheme).evaluate(TEXTS)
    assert len(texts) > 20
    assert [text for text in texts if not text[1] >= text[2]] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_tells_a_cell_without_colour_stands_out_from_it(show: Show, scheme: Scheme) -> None:
    page = show(rendered(FARM), scheme=scheme)
    parts = page.evaluate(
        """() => Object.fromEntries(["counts", "waiting"].map((tone) => {
          const shape = getComputedStyle(document.querySelector(`.tsse-heat-scroll .tsse-shape-${tone}`));
          const ground = getComputedStyle(document.querySelector(`.tsse-heat-scroll .tsse-cell-${tone}`));
          return [tone, [shape.stroke === "none" ? shape.fill : shape.stroke, ground.fill]];
        }))"""
    )
    assert {tone: pair for tone, pair in parts.items() if _contrast(*pair) < 3} == {}


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", PAGES)
def test_headings_go_down_by_one_and_the_verdict_comes_first(show: Show, name: str) -> None:
    page = show(rendered(PAGES[name]))
    headings = page.get_by_role("heading", include_hidden=True)
    levels = [int(tag[1]) for tag in headings.evaluate_all("(all) => all.map((one) => one.tagName)")]
    assert levels[:3] == [1, 2, 3]
    assert all(below - above <= 1 for above, below in pairwise(levels))
    verdict = ReportDocument.of(PAGES[name]).verdict.label
    assert headings.nth(1).inner_text() == verdict
    box = headings.nth(1).bounding_box()
    assert box is not None
    assert box["y"] < 300, "the verdict is not seen without scrolling"


def test_the_page_has_its_landmarks_its_language_and_names_for_all_that_can_be_used(show: Show) -> None:
    page = show(rendered(FARM))
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.title().startswith("NO-GO: ")
    assert page.get_by_role("main").count() == page.get_by_role("banner").count() == 1
    assert page.get_by_role("navigation", name="Sections of this report").count() == 1
    nameless = page.locator("section:not([aria-labelledby]), [role=region]:not([aria-label])")
    assert nameless.count() == 0
    filters = page.get_by_role("searchbox")
    names = [filters.nth(place).aria_snapshot() for place in range(filters.count())]
    assert len(names) >= 3
    assert len(set(names)) == len(names), "filters of several tables have one name"


def test_every_header_of_a_table_says_what_it_is_the_header_of(show: Show) -> None:
    page = show(rendered(FARM))
    page.locator(".tsse-heat-scroll").press("Enter")
    wrong = page.locator("th:not([scope])").count(), page.locator("table:not(:has(thead th[scope]))").count()
    assert wrong == (0, 0)
    # the cell of a row reached by a screen reader is announced by these
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="4 backfill"))
    assert row.count() == 1


def test_the_verdict_is_readable_within_pytest_html_whose_styles_it_does_not_know(show: Show) -> None:
    summary = render_summary(ReportDocument.of(no_go()), "report.html")
    styles = (
        "body { font: 12px Helvetica; color: #999 } a { color: #999 } table { color: #999 } h2 { color: #000 }"
    )
    for scheme in SCHEMES:
        whole = (
            f'<!DOCTYPE html><html lang="en"><title>t</title><style>{styles}</style><main>{summary}</main></html>'
        )
        page = show(whole, scheme=scheme)
        assert [text for text in page.evaluate(TEXTS) if not text[1] >= text[2]] == []
        top = page.locator(".tsse-banner").bounding_box()
        around = page.locator(".tsse-report").bounding_box()
        assert top is not None
        assert around is not None
        assert top["y"] - around["y"] <= 2, "something invisible takes room above the verdict"
