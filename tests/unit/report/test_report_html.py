import base64
import hashlib
import json
import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from tests.support.report_builders import (
    ALL,
    BAD_DAY,
    BAD_SENSOR,
    LOST,
    PER_DAY,
    SENSORS,
    crashed,
    empty,
    go,
    hostile,
    live_api_only,
    no_go,
    with_long_messages,
)
from tsse_validation.report.html.html_pages import _environment, render_page, render_summary
from tsse_validation.report.model.document import EvidenceFile, ReportDocument
from tsse_validation.runlog.records import CheckStatus, CountRow, FarmSeen
from tsse_validation.runlog.result import RunResult

ANY_TEXT = st.text(st.characters(codec=None), max_size=80)
VOID = {"meta", "wbr", "circle", "path", "rect"}  # of those without an end tag, what the templates use
ATTACKS = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "</style></section>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }}",
    "\u202eexe\x00\x1b[31m",
    "w" * 10_000,
)


class Page(HTMLParser):
    """Collects a page's elements and text, and checks that they are nested well."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.ids.extend(value for name, value in attrs if name == "id" and value)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page(of: RunResult) -> Page:
    return Page(render_page(ReportDocument.of(of)))


@cache
def plain_tags() -> list[tuple[str, tuple[str, ...]]]:
    return page(hostile("plain")).tags


@ALL
def test_the_fragment_is_well_formed_without_script_and_without_anything_from_elsewhere(of: RunResult) -> None:
    fragment = render_summary(ReportDocument.of(of), "report.html")
    parsed = Page(fragment)
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe", "object", "html", "body"}
    assert not {name for _, names in parsed.tags for name in names} & {"src", "onclick", "onerror"}
    assert {target for target in re.findall('href="([^"]*)"', fragment) if target[0] != "#"} == {"report.html"}
    assert "url(" not in fragment
    assert "@import" not in fragment


@ALL
def test_the_page_takes_nothing_from_elsewhere_and_names_all_that_may_run(of: RunResult) -> None:
    whole = render_page(ReportDocument.of(of))
    parsed = Page(whole)
    tags = [tag for tag, _ in parsed.tags]
    assert not set(tags) & {"link", "img", "iframe", "object", "base", "form"}
    assert (tags.count("script"), tags.count("style")) == (2, 1)
    assert not {name for _, names in parsed.tags for name in names if name in {"src", "style"} or name[:2] == "on"}
    assert {target[0] for target in re.findall('href="([^"]*)"', whole)} == {"#"}
    assert "url(" not in whole
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', whole)
    assert policy.startswith("default-src &#39;none&#39;;")
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", whole, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src &#39;sha256-{digest}&#39;" in policy


def test_every_link_of_the_page_leads_somewhere() -> None:
    whole = render_page(ReportDocument.of(no_go()))
    assert set(re.findall('href="#([^"]*)"', whole)) <= set(Page(whole).ids)


def test_the_cells_of_the_heatmap_are_those_of_the_counts_and_lead_to_their_rows() -> None:
    whole = render_page(ReportDocument.of(no_go()))
    (written,) = re.findall('<script type="application/json" id="tsse-data">(.*?)</script>', whole)
    (heat,) = json.loads(written)["heatmaps"]
    assert heat["sensors"][:2] == sorted({BAD_SENSOR, SENSORS[2]})
    row, column = heat["sensors"].index(BAD_SENSOR), heat["days"].index(BAD_DAY.isoformat())
    assert heat["postgres"][row][column] == PER_DAY[0]
    assert heat["more"][f"{row}-{column}"] == [PER_DAY[0] - LOST, 0, 0, "counts differ"]
    other = heat["sensors"].index(SENSORS[2])
    assert heat["more"][f"{other}-{column}"][3] == "rows differ"
    assert whole.count(f'data-cells="0:{row}-{column}"') == 2
    assert whole.count(f'data-cells="0:{other}-{column}"') == 1
    assert "counts differ: 1 cell" in Page(whole).text


def test_a_cell_of_equal_counts_whose_digests_differ_is_one_whose_rows_differ() -> None:
    row = CountRow(BAD_SENSOR, BAD_DAY, 5, 5, 0, 0, False)
    taken = go().counts[-1].model_copy(update={"rows": (row,)})
    shown = page(go().model_copy(update={"counts": (taken,)}))
    assert "rows differ: 1 cell" in shown.text
    assert "counts differ" not in shown.text
    assert shown.text.count("rows differ") == 2, "the picture says it, and the table of days"


def test_bits_that_differ_are_marked() -> None:
    whole = render_page(ReportDocument.of(no_go()))
    assert "0x403580000000000<mark>1</mark>" in whole
    assert "1 bit of 64 differs" in whole


def test_the_evidence_is_named_by_its_hashes() -> None:
    file = EvidenceFile("logs/<b>.log", 12_345, "ab" * 32)
    text = Page(render_page(ReportDocument.of(go()), [file])).text
    assert "ab" * 32 in text
    assert "logs/<b>.log" in text
    assert "12,345" in text


def test_a_live_controllers_mismatch_says_how_to_look_at_its_days_again() -> None:
    of = live_api_only().model_copy(update={"findings": no_go().findings})
    window = "--window-start=2026-01-05T00:00:00Z --window-end=2026-01-06T00:00:00Z"
    assert f"tsse-validate parity --mode=direct {window} --sensor-ids={BAD_SENSOR}" in page(of).text


def test_a_command_never_takes_a_name_for_more_than_a_name() -> None:
    finding = no_go().findings[0].model_copy(update={"sensors": ("$(reboot)'; rm x",)})
    of = live_api_only().model_copy(update={"findings": (finding,)})
    assert """--sensor-ids='$(reboot)'"'"'; rm x'""" in page(of).text


@pytest.mark.parametrize("text", ATTACKS)
def test_hostile_text_adds_no_element_and_no_attribute(text: str) -> None:
    assert page(hostile(text)).tags == plain_tags()


@settings(max_examples=settings().max_examples // 2)
@given(ANY_TEXT)
def test_no_text_changes_the_structure_of_the_page(text: str) -> None:
    assert page(hostile(f"x{text}x")).tags == plain_tags()


def test_a_template_that_forgets_to_clean_a_text_prints_it_harmless_all_the_same() -> None:
    printed = _environment().from_string("{{ text }}").render(text="\u202e<b>\x00")
    assert printed == r"\u202e&lt;b&gt;\x00"


def test_a_template_that_names_what_does_not_exist_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(UndefinedError):
        _environment().from_string("{{ nothing }}").render()


def test_long_names_are_cut_in_the_middle() -> None:
    assert len(render_page(ReportDocument.of(hostile("w" * 10_000)))) < 150_000
    assert "w" * 5_000 not in page(hostile("w" * 10_000)).text


def test_a_long_reason_is_never_cut_in_its_middle() -> None:
    why = page(with_long_messages()).text.partition("Rests on:")[0]
    assert "words words … (more below)" in why
    assert "cut]" not in why


def test_a_lone_surrogate_can_be_written() -> None:
    render_page(ReportDocument.of(hostile("\ud800"))).encode()


@ALL
def test_every_header_of_a_table_has_a_scope_and_every_id_is_unique(of: RunResult) -> None:
    parsed = page(of)
    assert all("scope" in names for tag, names in parsed.tags if tag == "th")
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(name.startswith("tsse-") for name in parsed.ids)


@ALL
def test_every_section_is_there_whatever_the_run_saw(of: RunResult) -> None:
    # a soak is shown only where there was one
    assert [name for name in page(of).ids if name != "tsse-soak"] == page(no_go()).ids
    assert ("tsse-soak" in page(of).ids) == (of.soak_began is not None)


def test_an_empty_section_says_so() -> None:
    text = page(empty()).text
    for said in ("No backfill was run.", "No window was drawn.", "No counts were taken.", "No stack was reached."):
        assert said in text


@pytest.mark.parametrize(("of", "verdict"), [(go(), "GO"), (no_go(), "NO-GO"), (crashed(), "INCOMPLETE")])
def test_the_verdict_is_said_in_words(of: RunResult, verdict: str) -> None:
    assert re.search(rf'<h2 id="tsse-verdict">{verdict}</h2>', render_summary(ReportDocument.of(of)))


def test_a_go_on_the_api_alone_says_what_it_rests_on_and_goes_without() -> None:
    text = page(live_api_only()).text
    assert "no count here is independent of the software under validation" in text
    assert "14 checks could not be made here" in text
    assert "GO by counts: the controller's own word; 100 % of sensors, values not compared" in text
    assert "Counted: 290,017 of an unknown number of rows" in text


def test_the_size_of_an_installed_controllers_farm_is_told_or_said_to_be_not_measured() -> None:
    unread = live_api_only()
    assert "Farm not measured: its sensors are counted in Postgres, which was not read" in page(unread).text
    checks = tuple(
        check.model_copy(update={"facts": {"sensors": "312"}, "status": CheckStatus.PASSED})
        if check.key == "test_postgres_answers_a_query"
        else check
        for check in unread.checks
    )
    by_facts = unread.model_copy(update={"checks": checks})  # as results of earlier versions tell it
    assert "Farm 312 sensors in Postgres" in page(by_facts).text
    seen = by_facts.model_copy(update={"farm": FarmSeen(sensors=1_024)})
    assert "Farm 1,024 sensors in Postgres" in page(seen).text


def test_a_controller_that_tells_no_version_is_said_to() -> None:
    stack = live_api_only().stack
    assert stack is not None
    untold = stack.model_copy(update={"components": (stack.components[0].model_copy(update={"version": ""}),)})
    assert "it tells no version" in page(live_api_only().model_copy(update={"stack": untold})).text
    assert "it tells no version" not in page(live_api_only()).text


def test_a_no_go_shows_its_evidence() -> None:
    text = page(no_go()).text
    assert f"{LOST} rows of 2026-01-05 are in Postgres and not in the lake." in text
    assert "21.500000000000004" in text
    assert "Re-run backfill with replace_existing=true for 2026-01-05." in text
    assert "step 6 (parity) failed" in text


def test_the_page_is_complete_and_has_its_landmarks() -> None:
    whole = render_page(ReportDocument.of(no_go()))
    assert whole.lstrip().startswith('<!DOCTYPE html>\n<html lang="en">')
    tags = [tag for tag, _ in Page(whole).tags]
    assert [tags.count(tag) for tag in ("title", "main", "nav", "h1", "h2")] == [1, 1, 1, 1, 1]


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _palettes() -> dict[str, dict[str, str]]:
    css = files("tsse_validation.report.html").joinpath("templates/summary.css").read_text()
    light, dark = css.split("prefers-color-scheme: dark", 1)
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in (light, dark)]
    return {"light": found[0], "dark": found[0] | found[1]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_aa_asks_for(scheme: str) -> None:
    colours = _palettes()[scheme] | {"white": "#ffffff"}
    grounds = ("panel", "sunk", "row-bad")
    pairs = [(ink, ground) for ink in ("ink", "muted") for ground in grounds]
    pairs += [(tone, f"{tone}-bg") for tone in ("good", "bad", "open", "none", "part")]
    pairs += [
        ("white", "banner-good"),
        ("white", "banner-bad"),
        ("white", "banner-part"),
        ("banner-open-ink", "banner-open"),
    ]
    too_low = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: contrast for pair, contrast in too_low.items() if contrast < 4.5} == {}
