"""Writes the tables of docs/SETTINGS.md, docs/CHECKS.md and docs/FAILURES.md from what the code has.

Those of docs/SCALE.md are made of what the benchmark has measured. What stands above a page's mark is written by
hand; all below it is made anew.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from tools.benchmarks.scale import scale_tables
from tsse_validation.domain.catalogue import CHECKS, GATE_TITLES, OTHER_CHECKS, CheckSpec, step_name
from tsse_validation.failures.scenario import Group, Scenario
from tsse_validation.failures.table import SCENARIOS
from tsse_validation.settings.definitions import ENV_PREFIX, Settings, option_of
from tsse_validation.settings.groups import grouped_settings

DOCS = Path(__file__).parents[2] / "docs"
REMAKE = "python -m tools.documentation"
MARK = f"<!-- Below: made by `{REMAKE}`; do not edit. -->\n"


def settings_table() -> Iterator[str]:
    """Return a table for each group of settings."""
    for title, names in grouped_settings():
        yield from ("", f"## {title}", "")
        yield from ("| option | environment | default | meaning |", "| --- | --- | --- | --- |")
        for name in names:
            field = Settings.model_fields[name]
            meaning = f"{field.description}{_bounds(field)}"
            yield f"| `{option_of(name)}` | `{ENV_PREFIX}{name.upper()}` | {_default(field)} | {meaning} |"


def checks_tables() -> Iterator[str]:
    """Return a table of the checks of each step."""
    specs = [*CHECKS.values(), *OTHER_CHECKS.values()]
    for step in sorted({spec.step for spec in specs}):
        yield from ("", f"## Step {step}: {step_name(step)}", "")
        yield from ("| check | shows that | speaks for | looks at |", "| --- | --- | --- | --- |")
        yield from (_check_row(spec) for spec in specs if spec.step == step)


def failures_table() -> Iterator[str]:
    """Return a table of the failure scenarios of each group."""
    for group in Group:
        if of_group := [scenario for scenario in SCENARIOS.values() if scenario.group is group]:
            yield from ("", f"### {group.capitalize()}", "")
            yield from ("| scenario | what happens | repaired by | needs |", "| --- | --- | --- | --- |")
            yield from map(_scenario_row, of_group)


PAGES: Mapping[Path, Callable[[], Iterator[str]]] = {
    DOCS / "SETTINGS.md": settings_table,
    DOCS / "CHECKS.md": checks_tables,
    DOCS / "FAILURES.md": failures_table,
    DOCS / "SCALE.md": scale_tables,
}


def made_anew(page: Path) -> str:
    """Return a page with its hand-written part as it is, and its tables as the code has them."""
    by_hand, _, _ = page.read_text(encoding="utf-8").partition(MARK)
    return by_hand + MARK + "\n".join(PAGES[page]()) + "\n"


def _default(field: FieldInfo) -> str:
    if field.default in (None, (), ""):
        return "not set"
    return "off" if field.default is False else f"`{field.default}`"


def _bounds(field: FieldInfo) -> str:
    said = ", ".join(
        f"{words} {getattr(limit, kind.__name__.lower()):,}"
        for kind, words in ((Ge, "at least"), (Gt, "more than"), (Le, "at most"))
        for limit in field.metadata
        if isinstance(limit, kind)
    )
    return f" ({said})" if said else ""


def _check_row(spec: CheckSpec) -> str:
    gate = GATE_TITLES[spec.gate] if spec.gate else "–"
    needs = ", ".join(f"`{capability}`" for capability in sorted(spec.requires)) or "the API"
    return f"| `{spec.key.removeprefix('test_')}` | {spec.title} | {gate} | {needs} |"


def _scenario_row(scenario: Scenario) -> str:
    needs = ", ".join(sorted(scenario.needs)) or "–"
    return f"| `{scenario.key}` | {scenario.title} | {scenario.repaired_by or '–'} | {needs} |"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(made_anew(page), encoding="utf-8")
