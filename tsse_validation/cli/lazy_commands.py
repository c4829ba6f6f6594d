"""Commands whose modules are imported when one is asked for: `--help` lists them all, and imports none."""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class CommandPlace:
    """A module of this package and the function in it that is a command; `options` are typer's for a command."""

    module: str
    function: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full_module(self) -> str:
        """The module's name, to import it by."""
        return f"{__package__}.{self.module}"

    def summary(self) -> str:
        """Return the first line of the command's docstring, read from the source."""
        source = Path(__file__).with_name(f"{self.module}.py").read_text(encoding="utf-8")
        (found,) = (
            node
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef) and node.name == self.function
        )
        return inspect.cleandoc(ast.get_docstring(found) or "").partition("\n")[0]

    def load(self, name: str) -> Any:
        """Import the command and return it, of the click that typer has within."""
        alone = typer.Typer(add_completion=False)
        alone.command(name, **self.options)(getattr(import_module(self.full_module), self.function))
        return typer.main.get_command(alone)


class _LazyCommand(TyperCommand):
    """Stands for a command in a list, and is replaced by it as soon as it is asked for."""

    def __init__(self, name: str, place: CommandPlace) -> None:
        super().__init__(name, short_help=place.summary())
        self._name, self._place = name, place

    def make_context(self, *asked: Any, **more: Any) -> Any:
        """Return a context of the command itself: what click does from here on is done with that."""
        return self._place.load(self._name).make_context(*asked, **more)


class LazyGroup(TyperGroup):
    """A group of the commands in `places`, by name, beside those that typer gives it."""

    places: ClassVar[Mapping[str, CommandPlace]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, place in self.places.items():
            self.add_command(_LazyCommand(name, place))
