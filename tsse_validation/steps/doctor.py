"""Tries each setting of a run, before it and by itself: read-only, in seconds, one line each.

Nothing is started: health and an unknown job are asked for, Postgres is looked at in one short transaction, files
are opened and none is written. What is found here is help, and no evidence: the runbook's checks are the proof.
"""

from collections.abc import Iterator
from importlib.metadata import version

from tsse_validation.clients.session_use import SessionUse
from tsse_validation.clients.watch import SKEW_SECONDS, ControllerClock
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.runlog.setting_record import SettingTried, TryOutcome
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import DEFAULT, LoadedSettings, run_complaints
from tsse_validation.steps.attempts import Attempt, Seen, try_all
from tsse_validation.steps.doctor_cluster import cluster_tried
from tsse_validation.steps.doctor_places import files_tried, lake_tried, written_places_tried
from tsse_validation.steps.doctor_services import ControllerTries, PostgresTries, qdrant_tried
from tsse_validation.steps.surroundings import machine_and_suite
from tsse_validation.steps.watermark import LEAST_LAG_GUARD_SECONDS

CONNECT_SECONDS, ANSWER_SECONDS, LOCK_SECONDS = 2.0, 3.0, 1.0
"""How long one try of a service may take at the most: less where the settings say less."""


def try_settings(loaded: LoadedSettings, use: SessionUse | None = None) -> list[SettingTried]:
    """Try what is set, as a run would use it, and return a line for each; it takes seconds at the most.

    `use` measures what the session on Postgres takes. Of a stack of our own nothing is there yet, but for the
    places that are written to.
    """
    settings, sources = _in_short(loaded.asked or loaded.settings), loaded.sources
    if not settings.live:
        # a refused address is none: what would be tried beside it waits until that is right
        refused = _refused(loaded, settings)
        own = [cluster_tried(settings, sources), written_places_tried(settings, sources)]
        return [*refused, *try_all(own), _versions()]
    controller, postgres = ControllerTries(settings, sources), PostgresTries(settings, sources, use)
    chains = [controller.tries(), files_tried(settings, sources), postgres.tries()]
    chains += [lake_tried(settings, sources, name) for name in ("hot_path", "cold_path")]
    chains.append(cluster_tried(settings, sources))
    if not settings.skip_qdrant:
        chains.append(qdrant_tried(settings, sources))
    chains.append(written_places_tried(settings, sources))
    tried = try_all(chains)
    clocks = Attempt(
        "clocks", "", lambda: "", lambda: seen_of_clocks(controller.clock, postgres.ahead_of_us_seconds)
    )
    return [*_refused(loaded, settings), *tried, clocks.made(), _versions()]


def _in_short(settings: Settings) -> Settings:
    """Return the settings with what a try may take: a server that accepts and never answers keeps nobody."""
    return settings.model_copy(
        update={
            "connect_timeout": min(settings.connect_timeout, CONNECT_SECONDS),
            "request_timeout": min(settings.request_timeout, ANSWER_SECONDS),
            "statement_timeout": min(settings.statement_timeout, ANSWER_SECONDS),
            "transaction_timeout": min(settings.transaction_timeout, ANSWER_SECONDS),
            "lock_timeout": min(settings.lock_timeout, LOCK_SECONDS),
        }
    )


def _refused(loaded: LoadedSettings, settings: Settings) -> Iterator[SettingTried]:
    """Yield what is wrong with values, what does not fit together, and what was found and is not used."""
    for name, message in loaded.refused.items():
        yield _told(option_of(name), loaded.sources.get(name, DEFAULT), TryOutcome.WRONG, message)
    for complaint in run_complaints(settings):
        if not any(option_of(name) in complaint for name in loaded.refused):
            yield _told("settings", "", TryOutcome.WRONG, complaint)
    for name, why in loaded.withheld.items():
        if getattr(settings, name) is None:
            yield _told(option_of(name), loaded.sources.get(name, DEFAULT), TryOutcome.WARNED, why)


def _told(option: str, source: str, outcome: TryOutcome, found: str) -> SettingTried:
    return SettingTried(option=option, target="", source=source, outcome=outcome, found=f"{found.rstrip('.')}.")


def seen_of_clocks(controller: ControllerClock | None, postgres_ahead_seconds: float | None) -> Seen:
    """Say how far the clocks are apart: the controller's from ours, and Postgres's from the controller's.

    Raises NotCheckedError where they are so far apart that no lag can be told.
    """
    ours = postgres_ahead_seconds
    if controller is None:
        postgres = "" if ours is None else f", Postgres's {_off(ours, 'ours')}"
        return Seen(f"the controller's is not known{postgres}.", TryOutcome.UNKNOWN)
    said = f"the controller's {_off(controller.offset_seconds, 'ours')}"
    if ours is not None:
        apart = ours - controller.offset_seconds
        said += f", Postgres's {_off(apart, 'it')}"
        if abs(apart) >= LEAST_LAG_GUARD_SECONDS:
            msg = f"{said}: how far the lake is behind Postgres cannot be told."
            raise NotCheckedError(msg, "Set both clocks right, then run again.")
    if controller.skewed:
        advice = "A run goes by the controller's own: set this machine's right."
        return Seen(f"{said}.", TryOutcome.WARNED, advice)
    return Seen(f"{said}.")


def _off(seconds: float, other: str) -> str:
    return f"agrees with {other}" if abs(seconds) <= SKEW_SECONDS else f"is {seconds:+.0f} s off {other}"


def _versions() -> SettingTried:
    of = machine_and_suite()
    found = f"suite {version('tsse-validation')}, Python {of['python']}, pytest {of['pytest']}, {of['platform']}"
    return _told("versions", "", TryOutcome.OK, found)
