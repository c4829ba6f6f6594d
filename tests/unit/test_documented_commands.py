"""Every command that a page shows or names is one that our programs take, with its options and values."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.command_lines import given_by, hold_helper, named_in, shown_in, simple_commands

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "reports/*.md", "tools/*/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # which tells of commands as they were
)
IMAGE = "tsse-validation"
ENVIRONMENTS_OF_THE_RUNBOOK = {"validate", "nightly", "failures"}
OF_OTHERS = {
    *(".", "cd", "cp", "cat", "cut", "echo", "export", "find", "install", "mkdir", "sort", "wc"),
    *("launchctl", "pip", "/opt/tsse-validation/bin/pip", "python3", "sha256sum", "ssh-keygen", "systemctl"),
}
"""Programs that are not ours: what they are given is theirs to take."""


def hold(words: Sequence[str]) -> None:
    """Hold that the program takes its arguments; raises ValueError where it does not, or where nobody knows it."""
    match words:
        case ["pytest", *arguments] | ["python", "-m", "pytest", *arguments]:
            given_by(arguments)
        case ["tsse-validate", "--version" | "--install-completion"] | ["tsse-validate", "COMMAND", "--help"]:
            pass
        case ["tsse-validate" | "/opt/tsse-validation/bin/tsse-validate", command, *arguments]:
            hold_helper(command, arguments)
        case ["docker", "run", *arguments] if IMAGE in arguments:
            of_ours = arguments[arguments.index(IMAGE) + 1 :]
            hold_helper(*(of_ours[0], of_ours[1:]) if of_ours else ("run", ()))
        case ["docker", "build" | "save" | "load", *_]:
            pass
        case ["tox", *arguments]:
            _hold_tox(arguments)
        case ["python", "-m", module, *_] if module.startswith(("fixtures.", "tests.", "tools.")):
            pass  # that it exists, test_documentation holds
        case [program, *_] if program in OF_OTHERS:
            pass
        case _:
            msg = f"no test knows {' '.join(words)}"
            raise ValueError(msg)


def _hold_tox(arguments: Sequence[str]) -> None:
    words = [*arguments, "--"]
    before, after = words[: words.index("--")], list(arguments)[words.index("--") + 1 :]
    match before:
        case []:
            given_by(after)
        case ["-e", environment] if environment in ENVIRONMENTS_OF_THE_RUNBOOK:
            given_by(after)
        case ["-e", _]:
            pass  # that it exists, test_documentation holds; what it takes is its own
        case _:
            msg = f"tox is not called so: {' '.join(arguments)}"
            raise ValueError(msg)


def hold_all(text: str) -> int:
    """Hold each command of a shell's text; return how many there are."""
    found = list(simple_commands(text))
    for words in found:
        hold(words)
    return len(found)


SHOWN = [
    (page, command)
    for page in PAGES
    for text in [page.read_text(encoding="utf-8")]
    for command in (*shown_in(text), *named_in(text))
]


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=[f"{page.name}-{n}" for n, (page, _) in enumerate(SHOWN)])
def test_a_command_that_a_page_shows_is_taken(page: Path, command: str) -> None:
    assert hold_all(command), page


def test_each_program_of_ours_is_shown_somewhere() -> None:
    first = {words[0] for _page, command in SHOWN for words in simple_commands(command)}
    assert {"pytest", "tox", "tsse-validate", "docker"} <= first


@pytest.mark.parametrize(
    "wrong",
    [
        "pytest -m tier_a --base-ur http://127.0.0.1:8000",
        "pytest --backfill-days 900",
        "pytest --base-url http://127.0.0.1:8000 --sample 0",
        "export A=b && tsse-validate run tests_validation",
        "tsse-validate parity --strat 2026-01-01T00:00:00Z",
        "tsse-validate prity",
        "docker run --rm tsse-validation run --report-dirs there",
        "tox -e validate -- --report-dirs artifacts",
        "pytets",
    ],
)
def test_a_misspelt_command_is_not_taken(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        hold_all(wrong)
