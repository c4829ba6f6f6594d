"""What the commands print."""

import json
from typing import Any

import typer
from pydantic import BaseModel

from tsse_validation.domain.polling import wait_in_words


def say_wait(what: str, seconds: float) -> None:
    """Say beside the output proper what is waited for: a `Told`."""
    typer.echo(wait_in_words(what, seconds), err=True)


def print_json(document: BaseModel | dict[str, Any]) -> None:
    """Print a document as JSON, for another program."""
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    typer.echo(json.dumps(plain, indent=2, sort_keys=True))
