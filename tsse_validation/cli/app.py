"""The commands of `tsse-validate`."""

from typing import Annotated

import typer

from tsse_validation import __version__
from tsse_validation.cli.backfill_command import backfill
from tsse_validation.cli.doctor_command import doctor
from tsse_validation.cli.health_command import health
from tsse_validation.cli.inspect_command import inspect
from tsse_validation.cli.parity_command import parity
from tsse_validation.cli.printing import EXIT_CODES_TEXT
from tsse_validation.cli.report_command import index, report
from tsse_validation.cli.run_command import run_runbook

app = typer.Typer(
    name="tsse-validate", epilog=EXIT_CODES_TEXT, no_args_is_help=True, pretty_exceptions_enable=False
)
for command in (doctor, health, inspect, backfill, parity, report, index):
    app.command(epilog=EXIT_CODES_TEXT)(command)
# Its options are pytest's, its help too.
app.command(
    "run",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)(run_runbook)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tsse-validate {__version__}")
        raise typer.Exit


@app.callback()
def tsse_validate(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Helpers of the TSSE lake runbook: look, backfill, compare, report. The whole runbook is `run`."""
