"""Options of the commands, derived from the fields of the settings: name, type and help text."""

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from pydantic import SecretStr

from tsse_validation.domain.contract import RUNBOOK_SAMPLE
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.groups import group_of, plain_type, value_kind
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.opening import DEFAULT_BASE_URL, DEFAULT_QDRANT_URL

CONTROLLER = ("base_url", "auth_token", "auth_token_file", "ca_file")
"""What a command needs to speak to the core-server."""

_ALIASES: Mapping[str, str] = {
    "base_url": "--api-base-url",
    "setup_config": "--config",
    "window_start": "--start",
    "window_end": "--end",
    "backfill_days": "--days",
    "poll_interval": "--poll-seconds",
}
"""The options' names in the helpers that the runbook calls (contract section 6); our own names work as well."""
_UNLIKE_A_RUN: Mapping[str, str] = {
    "base_url": f"core-server's address (default: {DEFAULT_BASE_URL})",
    "qdrant_url": f"Qdrant's address (default: {DEFAULT_QDRANT_URL})",
    "sample": f"how many sensors the controller's job counts, where none are named (default: {RUNBOOK_SAMPLE})",
    "sensor_ids": "sensors to compare, comma-separated; default: all, or by the controller's job a sample",
}
"""Help where a command has a default, and a run starts a stack of its own instead."""
_AS_TEXT = (SecretStr, datetime, tuple)
_Own = ParamSpec("_Own")

AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]


class Mode(StrEnum):
    """By which way to look."""

    DIRECT = "direct"
    API = "api"


ModeOption = Annotated[Mode, typer.Option("--mode", help="look by the API, or at the files themselves")]


def takes(*names: str) -> Callable[[Callable[Concatenate[Settings, _Own], None]], Callable[..., None]]:
    """Give a command an option for each of the settings named; it is called with the settings, loaded."""

    def decorate(command: Callable[Concatenate[Settings, _Own], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def loaded(given: dict[str, object], /, *args: _Own.args, **own: _Own.kwargs) -> None:
            command(_loaded(given), *args, **own)

        return takes_unloaded(*names)(loaded)

    return decorate


def takes_unloaded(
    *names: str,
) -> Callable[[Callable[Concatenate[dict[str, object], _Own], None]], Callable[..., None]]:
    """Give a command an option for each of the settings named; it is called with what is given there, by name."""

    def decorate(command: Callable[Concatenate[dict[str, object], _Own], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**values: Any) -> None:
            given = {name: value for name in names if (value := values.pop(name)) is not None}
            command(given, **values)  # type: ignore[call-arg]

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [*(_parameter(name) for name in names), *own]
        # what typer reads of a command
        called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
        )
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorate


def _loaded(given: Mapping[str, object]) -> Settings:
    """Return the settings: what is given here, then environment, file and defaults."""
    loaded = load_settings(given, Path.cwd(), for_run=False)
    for warning in loaded.warnings:
        typer.echo(f"tsse-validate: warning: {warning}", err=True)
    return loaded.settings


def _parameter(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    kind = plain_type(field.annotation)
    parsed = str if kind in _AS_TEXT else kind  # the settings check everything else
    shown = "" if field.default in {None, (), ""} else f" (default: {field.default})"
    option = typer.Option(
        *filter(None, (option_of(name), _ALIASES.get(name))),
        help=_UNLIKE_A_RUN.get(name, f"{field.description}{shown}"),
        readable=False,  # what cannot be read is told in our own words, and with our own exit code
        metavar=None if issubclass(kind, StrEnum) else value_kind(name),
        rich_help_panel=group_of(name),
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[parsed | None, option]
    )
