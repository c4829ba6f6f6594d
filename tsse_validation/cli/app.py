"""The commands of `tsse-validate`."""

import typer

from tsse_validation.cli.backfill import backfill
from tsse_validation.cli.common import EXIT_CODES_TEXT
from tsse_validation.cli.health import health
from tsse_validation.cli.index import index
from tsse_validation.cli.inspect import inspect
from tsse_validation.cli.parity import parity
from tsse_validation.cli.report import report
from tsse_validation.cli.run import run

app = typer.Typer(
    name="tsse-validate",
    help="Helpers of the TSSE lake runbook: look, backfill, compare, report. The whole runbook is `run`.",
    epilog=EXIT_CODES_TEXT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (health, inspect, backfill, parity, report, index):
    app.command(epilog=EXIT_CODES_TEXT)(command)
# Its options are pytest's, its help too.
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)(run)
