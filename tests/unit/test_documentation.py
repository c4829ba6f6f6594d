"""The documentation names what there is, and what there is has its place in the documentation."""

import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.documentation.__main__ import PAGES, REMAKE, made_anew
from tsse_validation.cli.app import COMMANDS
from tsse_validation.cli.exit_codes import EXIT_CODES_TEXT
from tsse_validation.cli.seal_group import SEAL_COMMANDS
from tsse_validation.conformance.exchanges import EXCHANGES
from tsse_validation.conformance.job_cases import JOB_CASES
from tsse_validation.conformance.scenarios import SCENARIOS
from tsse_validation.domain.catalogue import OTHER_STEP_NAMES, STEP_NAMES, step_name
from tsse_validation.settings.definitions import ENV_PREFIX, Settings, option_of
from tsse_validation.settings.removed import REMOVED

ROOT = Path(__file__).parents[2]
SOURCES = ("tsse_validation", "fixtures", "tests_validation", "tests", "tools")
SOURCE_KINDS = {".py", ".sql", ".j2", ""}
NUMBERS = r"\d+(?:(?: to |, | and )\d+)*"
CITED = re.compile(
    rf"(?P<runbook>runbook, )?sections? (?P<numbers>{NUMBERS})|contract (?P<one>\d+)\b", re.IGNORECASE
)
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
MARKDOWN = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "reports/*.md", "reports/samples/*/*.md", "tools/*/*.md")
    for path in ROOT.glob(pattern)
)
SPECIFIED = {"CONTRACT.md", "RUNBOOK.md"}
"""What others' programs promise and do: they have options and paths of their own."""
OURS = [path for path in MARKDOWN if path.name not in SPECIFIED and "samples" not in path.parts]
OF_OTHERS = {
    "--host",
    "--port",
    "--help",
    "--version",
    "--install-completion",
    "--rows",
    "--render",
    *("--bin", "--manifest-path", "--mode", "--start", "--end", "--report", "--wait", "--replace-existing"),
    *("--build-arg", "--init", "--network", "--rm", "--now", "--check", "--tb"),
    *("--user", "--same-dir", "--unit", "--what"),
    *("--nworkers", "--protocol", "--nthreads", "--no-nanny", "--ntasks", "--cpus-per-task", "--mem-per-cpu"),
    *("--repo", "--create-namespace", "--generate-name"),
    *("--hash", "--filters", "--concat", "--comparison-fields"),
    "pytest",
    "venv",
    "pip",
}
"""Names of a core-server's options, of pytest's, of typer's, of our tools', of Docker's, systemd's, Dask's,
Slurm's and Helm's; and of modules that are not ours."""
HELD = re.compile(r"\bhold\((\d+),")


def of_page(page: Path) -> str:
    """Return how a page is named among the tests."""
    return page.relative_to(ROOT).as_posix()


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_and_every_check_is_in_its_table(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == made_anew(page), f"the page is out of date: {REMAKE}"


def test_every_step_is_documented() -> None:
    table = re.findall(r"^\| (\d+) (.+?) \|", (ROOT / "docs/PROOF.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [(int(step), name) for step, name in table] == [
        (step, step_name(step)) for step in (*STEP_NAMES, *OTHER_STEP_NAMES)
    ]


def test_the_number_of_conformance_cases_is_told() -> None:
    cases = len(EXCHANGES) + len(JOB_CASES) + len(SCENARIOS) + 1  # the last: POSTs are limited
    assert f"Conformance to the contract: {cases} passed" in (ROOT / "docs/STACKS.md").read_text(encoding="utf-8")


def test_every_command_and_exit_code_of_the_helpers_is_documented() -> None:
    page = (ROOT / "docs/CLI.md").read_text(encoding="utf-8")
    assert set(commands()) == set(re.findall(r"^\| `([\w ]+)` \|", page, re.MULTILINE))
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == re.findall(r"\d+", EXIT_CODES_TEXT)


def commands() -> dict[str, set[str]]:
    """Return the commands of `tsse-validate`, each with its options."""
    return {
        name: {
            option
            for parameter in place.load(name).params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        for name, place in {**COMMANDS, **{f"seal {of}": one for of, one in SEAL_COMMANDS.items()}}.items()
    }


@pytest.mark.parametrize("page", MARKDOWN, ids=of_page)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        place, _, anchor = target.partition("#")
        path = (page.parent / place) if place else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are linked by."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", OURS, ids=of_page)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    environments = set(re.findall(r"^\[testenv:(.+)\]$", (ROOT / "tox.ini").read_text(), re.MULTILINE))
    assert set(re.findall(r"\btox -e ([\w-]+)", text)) <= environments
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(re.findall(r"install (?:-e )?'\.\[(.+?)\]'", text)) <= extras.keys()
    modules = set(re.findall(r"\bpython -m ([\w.]+)", text)) | set(
        re.findall(r"`(tsse_validation\.[\w.]+)`", text)
    )
    assert [name for name in modules - OF_OTHERS if not exists(name)] == []


@pytest.mark.parametrize("page", OURS, ids=of_page)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {option_of(name) for name in Settings.model_fields}.union(OF_OTHERS, *commands().values())
    if page.name == "CHANGELOG.md":
        known |= {option_of(name) for name in REMOVED}
    assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)) <= known
    variables = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(rf"\b{ENV_PREFIX}\w+", text)) <= variables


@pytest.mark.parametrize("page", OURS, ids=of_page)
def test_every_path_that_a_page_names_is_in_the_checkout(page: Path) -> None:
    named = re.findall(
        r"`((?:tsse_validation|fixtures|tests_validation|tests|tools|docs)/[^`\s]*)`", page.read_text()
    )
    assert [path for path in named if "<" not in path and not any(ROOT.glob(path.rstrip("/")))] == []


def exists(name: str) -> bool:
    """Whether a module, or what it defines, is there under a dotted name."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_the_page_has_the_layers_that_the_linter_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    page = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    table = page.split("| package of `tsse_validation` |")[1].split("\n\n")[0]
    one_by_one = [name for layer in layers[::-1] for name in layer.split(" | ")]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == one_by_one
