"""The commands of `tsse-validate`."""

from collections.abc import Mapping
from typing import Annotated

import typer

import tsse_validation
from tsse_validation.cli.exit_codes import EXIT_CODES_TEXT
from tsse_validation.cli.lazy_commands import CommandPlace, LazyGroup
from tsse_validation.cli.seal_group import seal_group

_EPILOG = {"epilog": EXIT_CODES_TEXT}
_OF_PYTEST = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    "add_help_option": False,
}
"""The options of `run` are pytest's, its help too."""

COMMANDS: Mapping[str, CommandPlace] = {
    "doctor": CommandPlace("doctor_command", "doctor", _EPILOG),
    "health": CommandPlace("health_command", "health", _EPILOG),
    "inspect": CommandPlace("inspect_command", "inspect", _EPILOG),
    "backfill": CommandPlace("backfill_command", "backfill", _EPILOG),
    "parity": CommandPlace("parity_command", "parity", _EPILOG),
    "compare": CommandPlace("compare_command", "compare_sealed", _EPILOG),
    "report": CommandPlace("report_command", "report", _EPILOG),
    "index": CommandPlace("report_command", "index", _EPILOG),
    "run": CommandPlace("run_command", "run_runbook", _OF_PYTEST),
}


class _Commands(LazyGroup):
    places = COMMANDS


app = typer.Typer(
    name="tsse-validate",
    cls=_Commands,
    epilog=EXIT_CODES_TEXT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # a list, and a line on what is wrong, need no rich; a command's own help has it
)
app.add_typer(seal_group)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tsse-validate {tsse_validation.__version__}")
        raise typer.Exit


@app.callback()
def tsse_validate(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Helpers of the TSSE lake runbook: look, backfill, compare, report. The whole runbook is `run`."""
