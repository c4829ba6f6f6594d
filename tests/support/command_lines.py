"""Command lines that a page or a recipe shows, taken as the programs take them, and not run."""

import argparse
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

import pytest_base_url.plugin

from tsse_validation.cli.app import COMMANDS
from tsse_validation.cli.seal_group import SEAL_COMMANDS
from tsse_validation.pytest_plugin import command_line
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.helper_form import PLACE
from tsse_validation.settings.loading import run_complaints

ENDS = {"&&", "||", ";", "|", "&", "(", ")", "{", "}"}
"""What stands between two simple commands of a shell."""
_REDIRECTIONS = {">", ">>", "<", ">&", "&>"}
_PYTESTS_OWN = (("-m", "-k", "-p", "-n", "--maxfail"), ("-x", "-v", "-q", "-s", "--collect-only", "--help"))
"""Options of pytest and of its plugins that our pages name: those that take a value, and flags."""


class _AsPlugins(argparse.ArgumentParser):
    """A parser as plugins see pytest's, which takes whole names only and says what it refuses."""

    def __init__(self) -> None:
        super().__init__(prog="pytest", allow_abbrev=False, add_help=False)
        with_value, flags = _PYTESTS_OWN
        for name in with_value:
            self.add_argument(name, action="append")
        for name in flags:
            self.add_argument(name, action="count")
        self.add_argument("paths", nargs="*")

    def getgroup(self, _name: str, _description: str = "", **_after: object) -> "_AsPlugins":
        return self

    def addoption(self, *names: str, **how: Any) -> None:
        self.add_argument(*names, **how)

    def addini(self, *_how: object, **_more: object) -> None:
        pass

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def given_by(arguments: Sequence[str]) -> tuple[Mapping[str, Any], Sequence[str]]:
    """Return what a run's arguments give, by the name of the setting, and the paths of tests among them.

    Raises ValueError for an option that is not there, a value that is wrong, or what does not fit together. The
    files and helpers that are given need not be there.
    """
    parser: Any = _AsPlugins()
    pytest_base_url.plugin.pytest_addoption(parser)
    command_line.pytest_addoption(parser)
    options = parser.parse_intermixed_args(list(arguments))
    given = command_line.given_settings(options)
    if options.base_url:
        given["base_url"] = options.base_url
    there = {name for name in given if _holds_a_path(Settings.model_fields[name].annotation)} - {"report_dir"}
    values: dict[str, Any] = {**given, **dict.fromkeys(there, sys.executable)}
    if "helpers" in values:
        values["helpers"] = f"env {PLACE}"
    if complaints := list(run_complaints(Settings(**values))):
        raise ValueError("\n".join(complaints))
    return given, options.paths


def _holds_a_path(annotation: object) -> bool:
    return annotation is Path or any(map(_holds_a_path, get_args(annotation)))


def hold_helper(name: str, arguments: Sequence[str]) -> None:
    """Hold that a command of `tsse-validate` takes these arguments; raises ValueError where it does not."""
    if name == "run":
        _given, paths = given_by(arguments)
        if paths:
            msg = f"tsse-validate run takes no {paths}"
            raise ValueError(msg)
        return
    places, words = (SEAL_COMMANDS, list(arguments)) if name == "seal" else (COMMANDS, [name, *arguments])
    if not words or words[0] not in places:
        msg = f"tsse-validate has no command {name} {' '.join(words)}"
        raise ValueError(msg)
    try:
        places[words[0]].load(words[0]).make_context(words[0], words[1:])
    except Exception as error:  # noqa: BLE001 - typer has another click within in each version
        msg = f"tsse-validate {name}: {error}"
        raise ValueError(msg) from None


def simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a shell's text, without redirections and variables before it."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"<(\w+)>", r"\1", text))
    for line in joined.splitlines():
        shell = shlex.shlex(line, posix=True, punctuation_chars=True)
        shell.whitespace_split = True
        words: list[str] = []
        for word in [*shell, ";"]:
            if word in ENDS:
                if command := _without_redirections(words):
                    yield command
                words = []
            else:
                words.append(word)


def _without_redirections(words: list[str]) -> list[str]:
    command: list[str] = []
    skipped = False
    for word, following in zip(words, [*words, ""][1:], strict=True):
        redirects = word in _REDIRECTIONS
        of_a_number = word.isdigit() and following in _REDIRECTIONS
        variable = not command and re.match(r"\w+=", word)
        if not (redirects or of_a_number or skipped or variable):
            command.append(word)
        skipped = redirects
    return command


def shown_in(page: str) -> Iterator[str]:
    """Yield each command that a page's console blocks show, with its continued lines, and nothing it prints."""
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^[$#] ((?:.*\\\n)*.*)$", block, re.MULTILINE)


def named_in(page: str) -> Iterator[str]:
    """Yield each command of ours that a page names within its text; what leaves something out (`…`) is none."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    for command in re.findall(r"`((?:tsse-validate|pytest|tox|docker|python -m) [^`…]+)`", text):
        yield " ".join(command.split())
