"""What a seal of Postgres covers: by a seal of the lake, its state, its directories, or the controller."""

from pathlib import Path

from pydantic import ValidationError

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.contract import Replication
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError, SettingsError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.polling import Told, unheard
from tsse_validation.seals.seal import SealSide
from tsse_validation.seals.seal_file import read_given, read_seal
from tsse_validation.seals.sealed_parts import parts_held
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.inspecting import inspect_by_job
from tsse_validation.steps.opening import job_runner, lake_reader
from tsse_validation.steps.scoping import covered_scope

_GIVE = (
    "Give what the lake promises: --as-of LAKE.seal, --from-state a copy of the lake's _state/replication.json, "
    "--hot-path, or --base-url with --auth-token-file."
)


def parts_to_seal(
    settings: Settings,
    postgres: PostgresClient,
    *,
    as_of: Path | None = None,
    from_state: Path | None = None,
    told: Told = unheard,
) -> tuple[Scope, ...]:
    """Return the parts of a seal: those of a lake's seal, or what the lake promises by its state.

    A lake's state comes from the file given, else from the settings' `hot_path`, else by an inspection job. Where
    no cold place is known, dates before the settings' `hot_retention_days` are not covered.

    Raises:
        SettingsError: nothing says what the lake promises, or two things do.
        NotCheckedError: the lake promises nothing, or the file is none of these.
        SuiteError: the lake, the controller or Postgres cannot be read.
    """
    if as_of is not None and from_state is not None:
        raise SettingsError("--as-of and --from-state both say what is covered: give one.")
    if as_of is not None:
        return _parts_of(as_of)
    return parts_held(postgres, _covered(settings, from_state, told))


def _parts_of(path: Path) -> tuple[Scope, ...]:
    seal = read_seal(path)
    if seal.facts.side is not SealSide.LAKE:
        msg = f"--as-of {path} is a seal of Postgres."
        raise NotCheckedError(msg, "Name a seal of the lake.")
    return seal.facts.parts


def _covered(settings: Settings, from_state: Path | None, told: Told) -> Scope:
    cold = settings.cold_path is not None
    if from_state is not None:
        return covered_scope(settings, _state_in(from_state), cold=cold, now=utc_now())
    if settings.hot_path is not None:
        return covered_scope(settings, lake_reader(settings).replication(), cold=cold, now=utc_now())
    if settings.base_url is None:
        msg = "Nothing says what of Postgres the lake must hold."
        raise SettingsError(msg, _GIVE)
    with job_runner(settings, told) as jobs:
        inspection = inspect_by_job(jobs, settings)
    return covered_scope(settings, inspection.replication, cold=inspection.cold_path is not None, now=utc_now())


def _state_in(path: Path) -> Replication:
    try:
        return Replication.model_validate_json(read_given(path))
    except ValidationError:
        msg = f"--from-state {path} is no state of the lake's replication."
        raise NotCheckedError(msg, "Copy the lake's _state/replication.json.") from None
