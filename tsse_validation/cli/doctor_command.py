"""`tsse-validate doctor`: each setting tried, before a run."""

from collections.abc import Sequence
from pathlib import Path

import typer

from tsse_validation.cli.exit_codes import EXIT_SETTINGS
from tsse_validation.cli.printing import print_json
from tsse_validation.cli.setting_options import CONTROLLER, AsJson, takes_unloaded
from tsse_validation.domain.outcome import EXIT_CODES, Outcome
from tsse_validation.runlog.setting_record import SettingTried, TryOutcome
from tsse_validation.settings.loading import load_to_try
from tsse_validation.steps.doctor import try_settings
from tsse_validation.steps.opening import DEFAULT_BASE_URL

_SERVICES = ("view_token_file", "qdrant_url", "skip_qdrant", "database_url", "setup_config", "no_discovery")
_PLACES = ("hot_path", "cold_path", "shards", "report_dir", "step_summary", "resume")


@takes_unloaded(*CONTROLLER, *_SERVICES, *_PLACES)
def doctor(given: dict[str, object], as_json: AsJson = False) -> None:
    """Try each setting of a run, in seconds, and say what is not right and what to do: nothing is started.

    All sources count as for a run: options, environment, tsse-validation.toml, and what is found on the
    controller's own host.
    """
    loaded = load_to_try(given, Path.cwd(), DEFAULT_BASE_URL)
    tried = try_settings(loaded)
    if as_json:
        document = [one.model_dump(mode="json", exclude={"record"}) for one in tried]
        print_json({"tried": document, "warnings": loaded.warnings, "found": loaded.found})
    else:
        for line in (*loaded.found, *(f"warning: {warning}" for warning in loaded.warnings)):
            typer.echo(line)
        for one in tried:
            typer.echo(one.in_words)
    raise typer.Exit(_exit_code(tried))


def _exit_code(tried: Sequence[SettingTried]) -> int:
    outcomes = {one.outcome for one in tried}
    if TryOutcome.WRONG in outcomes:
        return EXIT_SETTINGS
    return EXIT_CODES[Outcome.INCOMPLETE if TryOutcome.NOT_OK in outcomes else Outcome.GO]
