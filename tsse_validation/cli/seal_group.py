"""`tsse-validate seal`: what one side holds of each sensor-day, in a file that travels."""

from collections.abc import Mapping

import typer

from tsse_validation.cli.exit_codes import EXIT_CODES_TEXT
from tsse_validation.cli.lazy_commands import CommandPlace, LazyGroup

SEAL_COMMANDS: Mapping[str, CommandPlace] = {
    "lake": CommandPlace("seal_lake_command", "write_lake_seal", {"epilog": EXIT_CODES_TEXT}),
    "postgres": CommandPlace("seal_postgres_command", "seal_postgres_side", {"epilog": EXIT_CODES_TEXT}),
}


class _SealCommands(LazyGroup):
    places = SEAL_COMMANDS


seal_group = typer.Typer(
    name="seal", cls=_SealCommands, epilog=EXIT_CODES_TEXT, no_args_is_help=True, rich_markup_mode=None
)


@seal_group.callback()
def seal() -> None:
    """Seal one side in a file that travels: see `compare`."""
