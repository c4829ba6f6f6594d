"""All that the report can do, it does by keyboard."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.system.browser.shown import DESK, FARM, PHONE, Show, rendered
from tsse_validation.report.model.actions import what_to_do
from tsse_validation.report.model.document import ReportDocument

pytestmark = pytest.mark.slow

ACTIVE = """() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  return {
    place: at === document.body ? -1 : [...document.querySelectorAll("*")].indexOf(at),
    name: at.getAttribute("aria-label") || at.textContent.trim().slice(0, 60) || at.tagName,
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}"""
FOCUSABLE = """() => [...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")]
  .filter((element) => element.checkVisibility()).length"""


def heatmap(page: Page) -> Locator:
    return page.get_by_role("application")


def readout(page: Page) -> str:
    return page.locator(".tsse-readout").inner_text()


def column(table: Locator, place: int) -> list[str]:
    return table.locator(f"tbody > tr:visible > :nth-child({place})").all_inner_texts()


def test_tab_goes_through_everything_in_the_pages_order_and_is_always_seen(show: Show) -> None:
    page = show(rendered(FARM), reduced_motion=True)
    stops = []
    for _ in range(page.evaluate(FOCUSABLE)):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(ACTIVE))
    places = [stop["place"] for stop in stops]
    assert places == sorted(set(places)), "the focus jumps"
    assert -1 not in places, "the focus leaves the page before its end"
    assert [stop["name"] for stop in stops if not stop["outlined"]] == []
    assert [stop["name"] for stop in stops if not stop["seen"]] == []
    page.keyboard.press("Tab")
    assert page.evaluate(ACTIVE)["place"] in (-1, places[0])


def test_the_first_stop_skips_to_the_verdict(show: Show) -> None:
    page = show(rendered(FARM))
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the verdict")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_arrow_keys_go_from_cell_to_cell_and_say_what_each_holds(show: Show) -> None:
    page = show(rendered(FARM))
    days = sorted({row.day for counts in FARM.counts for row in counts.rows if row.day is not None})
    heatmap(page).focus()
    sensors = page.evaluate("JSON.parse(document.getElementById('tsse-data').textContent).heatmaps[0].sensors")
    assert readout(page).startswith(f"{sensors[0]}, {days[0]}: ")
    for keys, row, day in (
        (["ArrowRight"], 0, 1),
        (["ArrowDown", "ArrowDown"], 2, 1),
        (["ArrowLeft", "ArrowLeft", "ArrowUp"], 1, 0),
        (["End"], 1, len(days) - 1),
        (["Home", "PageDown"], 21, 0),
        (["PageDown", "ArrowDown"], len(sensors) - 1, 0),
    ):
        for key in keys:
            heatmap(page).press(key)
        assert readout(page).startswith(f"{sensors[row]}, {days[day]}: "), keys
    cursor = page.locator(".tsse-cursor")
    expect(cursor).to_be_in_viewport()


def test_enter_opens_the_rows_of_the_cell_and_escape_goes_back_to_it(show: Show) -> None:
    page = show(rendered(FARM))
    row = FARM.differences[0]
    day = row.ts.date()
    heatmap(page).focus()
    for _ in range(40):
        if readout(page).startswith(f"{row.sensor_id}, "):
            break
        heatmap(page).press("ArrowDown")
    while f", {day}: " not in readout(page):
        assert f", {day + timedelta(days=1)}: " not in readout(page), "the day was passed"
        heatmap(page).press("ArrowRight")
    assert "counts differ; Postgres " in readout(page)
    heatmap(page).press("Enter")
    picked = page.get_by_role("group", name="The cell that was chosen")
    expect(picked).to_be_focused()
    expect(picked.get_by_role("heading")).to_have_text(f"{row.sensor_id}, {day}")
    assert picked.locator("tbody tr").count() == 1
    expect(picked.locator("tbody tr")).to_contain_text(row.ts.isoformat(timespec="microseconds")[:10])
    page.keyboard.press("Escape")
    expect(picked).to_be_hidden()
    expect(heatmap(page)).to_be_focused()


def test_a_cell_without_a_listed_row_says_so(show: Show) -> None:
    page = show(rendered(FARM))
    heatmap(page).press("PageDown")
    heatmap(page).press("Enter")
    expect(page.locator(".tsse-picked")).to_contain_text("No differing row of this cell is listed on this page.")
    page.get_by_role("button", name="Close").press("Enter")
    expect(page.locator(".tsse-picked")).to_be_hidden()


def test_a_table_is_sorted_by_its_headers_numbers_as_numbers(show: Show) -> None:
    page = show(rendered(FARM))
    region = page.get_by_role("region", name="Counts per sensor", exact=True)
    header = region.get_by_role("columnheader", name="Postgres").first
    button = header.get_by_role("button")
    button.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    counts = [int(text.replace(",", "")) for text in column(region.locator("table"), 2)]
    assert len(counts) == 30
    assert counts == sorted(counts)
    button.press("Space")
    assert header.get_attribute("aria-sort") == "descending"
    assert [int(text.replace(",", "")) for text in column(region.locator("table"), 2)] == counts[::-1]
    region.get_by_role("columnheader", name="Sensor").get_by_role("button").press("Enter")
    assert region.locator("th[aria-sort]").count() == 1


def test_a_filter_leaves_what_was_asked_for_and_says_how_much(show: Show) -> None:
    page = show(rendered(FARM))
    region = page.get_by_role("region", name="Counts per sensor", exact=True)
    bar = page.locator(".tsse-filter").filter(has=page.get_by_role("searchbox", name="Filter: Counts per sensor"))
    sensor = FARM.counts[0].rows[3].sensor_id
    bar.get_by_role("searchbox").press_sequentially(sensor[-6:].upper())
    assert [name.strip() for name in column(region.locator("table"), 1)] == [sensor]
    expect(bar.get_by_role("status")).to_have_text("1 of 30 shown")
    bar.get_by_role("searchbox").fill("")
    expect(bar.get_by_role("status")).to_have_text("")
    bar.get_by_role("checkbox").press("Space")
    mismatching = sum(not row.matches for row in FARM.counts[0].rows)
    assert 0 < mismatching < 30
    assert len(column(region.locator("table"), 1)) == mismatching
    expect(bar.get_by_role("status")).to_have_text(f"{mismatching} of 30 shown")


def test_details_open_by_keyboard_and_a_command_is_copied_or_selected(show: Show) -> None:
    page = show(rendered(FARM))
    summary = page.locator("summary").filter(has_text=re.compile("^Settings: "))
    summary.press("Enter")
    expect(page.get_by_role("region", name="Settings")).to_be_visible()
    command = page.locator(".tsse-command").first
    command.locator("xpath=following-sibling::button").press("Enter")
    button = command.locator("xpath=following-sibling::button")
    expect(button).to_have_text(re.compile("Copied|Selected: copy it now"))
    # Playwright's page has no right to the clipboard, as a page from a file may have none
    assert page.evaluate("getSelection().toString()").strip() in ("", command.inner_text().strip())


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_command_that_is_selected_by_hand_is_copied_in_one_line_as_it_stands(width: int, show: Show) -> None:
    command = show(rendered(FARM), width=width).locator(".tsse-command").first
    selected = command.evaluate(
        "element => { getSelection().selectAllChildren(element); return `${getSelection()}`; }"
    )
    (action,) = what_to_do(ReportDocument.of(FARM))
    assert selected == action.command


def test_a_link_leads_to_its_section(show: Show) -> None:
    page = show(rendered(FARM), reduced_motion=True)
    for name, section in (
        ("Heatmap", "tsse-heat"),
        ("Evidence", "tsse-files"),
        ("Not checked", "tsse-not-checked"),
    ):
        page.get_by_role("navigation").get_by_role("link", name=name).press("Enter")
        expect(page.locator(f"#{section}")).to_be_in_viewport()


def test_nothing_moves_for_those_who_asked_for_no_motion(show: Show) -> None:
    moving = """() => [...document.querySelectorAll("*")].filter((element) => {
      const style = getComputedStyle(element);
      return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0
        || style.scrollBehavior === "smooth";
    }).length"""
    assert show(rendered(FARM), reduced_motion=True).evaluate(moving) == 0
    assert show(rendered(FARM)).evaluate(moving) == 1


def test_without_script_all_of_it_is_there_to_read(show: Show) -> None:
    page = show(rendered(FARM), script=False)
    expect(page.get_by_role("heading", name="NO-GO")).to_be_visible()
    expect(page.locator(".tsse-heat-scroll svg")).to_be_visible()
    assert (
        page.get_by_role("region", name="Counts per sensor", exact=True).locator("tbody tr:visible").count() == 30
    )
