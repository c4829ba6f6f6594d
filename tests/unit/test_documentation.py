"""The documentation names what there is, and what there is has its place in the documentation."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tsse_validation.conformance.exchanges import EXCHANGES
from tsse_validation.domain.catalogue import step_name

ROOT = Path(__file__).parents[2]
SOURCES = ("tsse_validation", "fixtures", "tests_validation", "tests", "tools")
SOURCE_KINDS = {".py", ".sql", ".j2", ""}
NUMBERS = r"\d+(?:(?: to |, | and )\d+)*"
CITED = re.compile(
    rf"(?P<runbook>runbook, )?sections? (?P<numbers>{NUMBERS})|contract (?P<one>\d+)\b", re.IGNORECASE
)
HELD = re.compile(r"\bhold\((\d+),")


def text_of(path: Path) -> str:
    """Return a file's text on one line, so that what is cited may be wrapped."""
    return re.sub(r"\s+(?:# )?", " ", path.read_text(encoding="utf-8"))


def sources() -> list[Path]:
    paths = (path for place in SOURCES for path in (ROOT / place).rglob("*") if path.is_file())
    return sorted(path for path in paths if path.suffix in SOURCE_KINDS and "__pycache__" not in path.parts)


def numbers_in(said: str) -> Iterator[int]:
    """Spell out what sections are meant: ``1 to 3``, ``3 and 8``."""
    for part in re.split(r", | and ", said):
        first, _, last = part.partition(" to ")
        yield from range(int(first), int(last or first) + 1)


def headings(page: str, pattern: str) -> set[int]:
    return {int(number) for number in re.findall(pattern, (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)}


def cited() -> dict[str, set[int]]:
    """Return the sections that the sources cite, of the contract and of the runbook."""
    found: dict[str, set[int]] = {"contract": {case.section for case in EXCHANGES}, "runbook": set()}
    for path in sources():
        text = text_of(path)
        found["contract"].update(map(int, HELD.findall(text)))
        for match in CITED.finditer(text):
            page = "runbook" if match["runbook"] else "contract"
            found[page].update(numbers_in(match["numbers"] or match["one"]))
    return found


@pytest.mark.parametrize(
    ("page", "heading"), [("contract", r"^## (\d+)\. "), ("runbook", r"^## (\d+)\) ")], ids=["contract", "runbook"]
)
def test_every_section_that_is_cited_is_in_the_repository(page: str, heading: str) -> None:
    sections = cited()[page]
    assert sections
    assert sections <= headings(f"docs/{page.upper()}.md", heading)


@pytest.mark.parametrize("path", sorted((ROOT / "tests_validation").glob("test_*.py")), ids=lambda path: path.stem)
def test_each_module_of_the_runbook_says_its_step(path: Path) -> None:
    step = int(path.stem.split("_")[1])
    assert path.read_text(encoding="utf-8").startswith(f'"""Step {step}, {step_name(step)}: ')


def test_the_packages_version_is_the_newest_that_the_changelog_has_released() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    source = project["tool"]["hatch"]["version"]
    text = (ROOT / source["path"]).read_text(encoding="utf-8")
    dated = re.findall(r"^## \[(.+)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    found = re.search(source["pattern"], text)
    assert found is not None
    assert found["version"] == dated[0]
    assert ["[Unreleased]", *(f"[{version}] - " for version in dated)] == re.findall(
        r"^## (\[Unreleased\]|\[.+\] - )", text, re.MULTILINE
    )
    assert dated == sorted(dated, key=lambda version: [int(part) for part in version.split(".")], reverse=True)
