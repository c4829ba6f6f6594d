"""The page of results: written from the parts of the modules, and read back into them."""

import re
from collections.abc import Mapping
from pathlib import Path

from tools.mutation.running import MODULES
from tools.mutation.table import Counts

PATH = Path(__file__).with_name("RESULTS.md")
_HEAD = """\
# Mutation testing of the pure modules

Made by `tox -e mutation`; do not edit.

[mutmut](https://mutmut.readthedocs.io) changes one thing in one function: an operator, a constant, an argument, a
text, a branch. Each mutant then meets the unit tests of its own module, with 10 derandomized examples for each
property; all mutants of a module are tried. It changes neither decorated functions (properties, validators) nor
what stands outside of functions (tables, the fields of a settings class). A mutant is killed when a test fails; a
timeout is a mutant that never ends; “no tests” are of a function that no test calls. “Equivalent” are survivors
that no test of what the module promises could see: the last score leaves them out, the one before counts them as
survivors. Why each survivor is left stands below the table.

| module | mutants | killed | timeouts | survived | no tests | equivalent | score | without equivalents |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def render(parts: Mapping[str, tuple[str, str]]) -> str:
    """Return the page; `parts` has each module's line of the table and section."""
    known = [module for module in MODULES if module in parts]
    lines = "\n".join(parts[module][0] for module in known)
    sections = "\n\n".join(f"## {module}\n\n{parts[module][1]}" for module in known)
    return f"{_HEAD}{lines}\n\n{sections}\n"


def parts_of(page: str) -> dict[str, tuple[str, str]]:
    """Return the parts that a page was made of."""
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    sections = {
        title: text.strip()
        for title, text in re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    }
    return {module: (lines[module], text) for module, text in sections.items()}


def counts_of(line: str) -> tuple[Counts, str, str]:
    """Return the counts of a line of the table, and the two scores that it gives."""
    _module, *figures, score, score_of_others = line.strip("| ").split(" | ")
    return Counts(*map(int, figures)), score, score_of_others
