"""Derives the scope from the settings and the lake's state: the covered range, and the window asked for."""

from collections.abc import Mapping
from datetime import datetime

from tsse_validation.diagnosis.count_triage import beyond_watermark
from tsse_validation.domain.contract import Inspection, Replication
from tsse_validation.domain.coverage import Coverage, Scope
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window, asked_and_promised
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps.run import Check
from tsse_validation.steps.validated_stack import Stack


def covered_scope(settings: Settings, replication: Replication, *, cold: bool, now: datetime) -> Scope:
    """Return the whole range that the lake covers; `cold` says that it has a cold place."""
    coverage = Coverage.promised_by(replication)
    return Scope.covered_by(coverage if cold else coverage.after_retention(settings.hot_retention_days, now))


def hold_cold_dates(inspection: Inspection, stack: Stack | None, absent: Mapping[Capability, str]) -> None:
    """Raise NotCheckedError when dates lie in a cold place that we were not shown: they would seem missing."""
    shown = stack is None or stack.lake is None or stack.lake.cold is not None
    cold = [day for day, partition in inspection.metrics.partitions.items() if partition.location == "cold"]
    if cold and not shown and Capability.LAKE not in absent:
        msg = f"{len(cold)} dates lie in the controller's cold place, {inspection.cold_path}, which was not given."
        raise NotCheckedError(msg, "Give it by --cold-path, or leave --hot-path out.")


def asked_scope(settings: Settings, covered: Scope) -> tuple[Window, Scope]:
    """Return the window asked for, by default the last day up to the watermark, and what is promised of it.

    Raises NotCheckedError when that is nothing.
    """
    asked, window = asked_and_promised(covered.window, settings.window_start, settings.window_end)
    if window is None:
        msg = f"The window {asked} lies outside of what the lake covers, {covered.window}."
        raise NotCheckedError(msg, "Choose another by --window-start and --window-end.")
    return asked, covered.narrowed(window)


def spot_scope(settings: Settings, covered: Scope, check: Check) -> Scope:
    """Return the part of the asked window that the parity job counts, and warn of the rest."""
    asked, _ = asked_and_promised(covered.window, settings.window_start, settings.window_end)
    if finding := beyond_watermark(asked, covered.coverage.watermark):
        check.record(finding)
        check.warn(f"{finding.summary}; {finding.evidence}")
    _, scope = asked_scope(settings, covered)
    if scope.window.start > asked.start:
        check.warn(
            f"the window asked for begins before the covered range: it was checked from {scope.window.start}"
        )
    return scope
