"""No two public things of the library share a name, and no module grows beyond what can be read at once."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "tsse_validation"
MOST_LINES = 400


def modules() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def named(things: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    """Return the names that stand in several places, with these."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in things:
        places[name].append(str(path.relative_to(LIBRARY)))
    return {name: where for name, where in places.items() if len(where) > 1}


def public_names() -> Iterator[tuple[str, Path]]:
    """Yield the public classes and functions; pytest gives its hooks their names."""
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(
                node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            ) and not node.name.startswith(("_", "pytest_")):
                yield node.name, path


def module_names() -> Iterator[tuple[str, Path]]:
    """Yield the modules and the packages, but for the library itself."""
    for path in modules():
        if path.stem != "__init__":
            yield path.stem, path
        elif path.parent != LIBRARY:
            yield path.parent.name, path


def test_no_two_modules_share_a_name() -> None:
    assert not named((name, path) for name, path in module_names() if not name.startswith("_"))


def test_no_two_public_classes_or_functions_share_a_name() -> None:
    assert not named(public_names())


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lengths = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
