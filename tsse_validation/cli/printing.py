"""What the commands print, and the exit codes that they end with."""

import json
from typing import Any

import typer
from pydantic import BaseModel

from tsse_validation.domain.errors import PromiseBrokenError, SettingsError, SuiteError
from tsse_validation.domain.polling import wait_in_words
from tsse_validation.verdict import EXIT_CODES, Outcome

EXIT_SETTINGS = 4
EXIT_INTERRUPTED = 130
EXIT_NOT_CHECKED = EXIT_CODES[Outcome.INCOMPLETE]
EXIT_CODES_TEXT = (
    "Exit codes: 0 done and as promised, 1 not as promised, 2 wrong usage, 4 a setting is wrong, "
    "6 could not be checked, 130 interrupted."
)


def exit_code_of(error: SuiteError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, SettingsError):
        return EXIT_SETTINGS
    return EXIT_CODES[Outcome.NO_GO] if isinstance(error, PromiseBrokenError) else EXIT_NOT_CHECKED


def say_wait(what: str, seconds: float) -> None:
    """Say beside the output proper what is waited for: a `Told`."""
    typer.echo(wait_in_words(what, seconds), err=True)


def print_json(document: BaseModel | dict[str, Any]) -> None:
    """Print a document as JSON, for another program."""
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    typer.echo(json.dumps(plain, indent=2, sort_keys=True))
