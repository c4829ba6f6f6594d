"""The runbook as data: its steps, their checks, and the lines of the release gate that each check answers for.

A verdict is measured against this catalogue, not against the tests that were selected: a check without a result
was not checked. `tests/` holds it and `tests_validation/` equal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.stack import Capability


class Gate(StrEnum):
    """The lines of release gate TSSE-6 (contract section 6)."""

    BACKFILL = "backfill"
    INCREMENTAL = "incremental"
    FILE_COUNTS = "file_counts"
    PARITY = "parity"


GATE_TITLES: Mapping[Gate, str] = {
    Gate.BACKFILL: "Backfill of 90 days needs one command",
    Gate.INCREMENTAL: "Incremental sync stays within 5 minutes of Postgres",
    Gate.FILE_COUNTS: "File counts stay bounded",
    Gate.PARITY: "Counts and timestamps agree between Postgres and Parquet",
}

CONFORMANCE_STEP, SOAK_STEP, FAILURES_STEP = 8, 9, 10
"""Steps beyond the runbook: their checks, and the `HELPER_CHECKS`, count only where they are asked for."""

TOKEN_STEP = 2
BACKFILL_STEP = 4
PARITY_STEP = 6
STEP_NAMES: Mapping[int, str] = {
    1: "health",
    2: "token",
    3: "inspect",
    4: "backfill",
    5: "watermark and partitions",
    6: "parity",
    7: "windows",
}
OTHER_STEP_NAMES: Mapping[int, str] = {
    CONFORMANCE_STEP: "conformance",
    SOAK_STEP: "soak",
    FAILURES_STEP: "failures",
}


@dataclass(frozen=True)
class CheckSpec:
    """One check: `key` is its test function's name, `requires` are the capabilities that it cannot do without.

    `proves` is the grade of assurance that no run reaches without the check: by our own reading where it requires
    a side, else by the controller's job. `spare` says that a proof shows all that the check would: where the
    POST budget is spent, it may be left out. `backfills` says that it starts the backfill, or looks at what that
    did.
    """

    key: str
    step: int
    title: str
    gate: Gate | None = None
    requires: frozenset[Capability] = frozenset()
    proves: Assurance | None = None
    spare: bool = False
    backfills: bool = False

    @property
    def opens(self) -> bool:
        """Whether later steps build on it: steps 5 to 7 look at the same lake, and not at each other."""
        return self.step <= BACKFILL_STEP

    @property
    def rests_on(self) -> frozenset[Capability]:
        """What must not have failed to be looked at: of a backfill, the sides that guard it against a loss too."""
        return self.requires | BOTH_SIDES if self.backfills else self.requires

    @property
    def by_our_reading(self) -> bool:
        """Whether we read Postgres or the lake ourselves for it."""
        return bool(self.requires & BOTH_SIDES)


_ORDERED = frozenset({*STEP_NAMES, SOAK_STEP})
"""Steps that build on earlier ones: a soak looks at the same lake as steps 5 to 7."""
BOTH_SIDES = frozenset({Capability.POSTGRES, Capability.LAKE})
_DIRECT = (Capability.POSTGRES, Capability.LAKE)


def _check(
    step: int,
    key: str,
    title: str,
    *requires: Capability,
    gate: Gate | None = None,
    proves: Assurance | None = None,
    spare: bool = False,
    backfills: bool = False,
) -> CheckSpec:
    return CheckSpec(f"test_{key}", step, title, gate, frozenset(requires), proves, spare, backfills)


def _parity(
    step: int,
    key: str,
    title: str,
    *requires: Capability,
    proves: Assurance | None = None,
    spare: bool = False,
) -> CheckSpec:
    """Return a check of the gate's line of parity: in step 6, by our own reading, it takes part in the proof."""
    if step == PARITY_STEP and set(_DIRECT) <= set(requires):
        proves = proves or Assurance.PROOF
    return _check(step, key, title, *requires, gate=Gate.PARITY, proves=proves, spare=spare)


_backfill = partial(_check, gate=Gate.BACKFILL, backfills=True)
_counts = partial(_check, PARITY_STEP, gate=Gate.PARITY, proves=Assurance.COUNTS)
_CHECKS = (
    _check(1, "core_server_answers_healthz", "core-server answers /healthz"),
    _check(1, "qdrant_answers_healthz", "Qdrant answers /healthz", Capability.QDRANT),
    _check(1, "postgres_answers_a_query", "Postgres answers a query", Capability.POSTGRES),
    _check(2, "valid_token_is_accepted", "A valid token is accepted"),
    _check(2, "valid_token_runs_a_job", "A valid token runs a job"),
    _check(2, "bad_token_is_refused", "A missing, malformed or unknown token is refused"),
    _check(
        2, "view_only_token_cannot_create_a_job", "A view-only token cannot create a job", Capability.VIEW_TOKEN
    ),
    _check(2, "token_file_is_private", "The token file is readable by its owner only", Capability.TOKEN_FILE),
    _check(3, "api_inspection_describes_the_lake", "The controller describes its lake"),
    _check(
        3,
        "database_is_the_controllers",
        "The database that we read is the controller's own",
        Capability.POSTGRES,
        proves=Assurance.COUNTS,
    ),
    _check(3, "replication_is_healthy", "Incremental replication is healthy", gate=Gate.INCREMENTAL),
    _check(3, "lake_state_files_are_readable", "The lake's state files are whole", Capability.LAKE),
    _check(3, "direct_inspection_agrees_with_the_api", "The lake is what the API says it is", Capability.LAKE),
    _backfill(4, "backfill_job_completes", "One command backfills the lake"),
    _backfill(4, "backfill_keeps_its_promises", "The backfill did what it promises"),
    _check(5, "watermark_is_set_and_not_in_the_future", "The watermark is set and not in the future"),
    _check(5, "watermark_is_recent", "The watermark is recent", gate=Gate.INCREMENTAL),
    _check(5, "watermark_never_retreats", "The watermark never retreats", gate=Gate.INCREMENTAL),
    _backfill(5, "backfilled_dates_have_partitions", "Every backfilled date has a partition"),
    _parity(
        5,
        "database_is_as_new_as_the_watermark",
        "The database shows all that the watermark promises",
        Capability.POSTGRES,
        proves=Assurance.COUNTS,
    ),
    _check(
        5,
        "dates_with_rows_have_partitions_and_no_others",
        "The dates with rows in Postgres are the partitions of the lake",
        *_DIRECT,
        gate=Gate.BACKFILL,
    ),
    _check(5, "file_counts_stay_bounded", "File counts stay bounded", gate=Gate.FILE_COUNTS),
    _check(5, "no_temporary_file_is_left", "No temporary file is left", Capability.LAKE, gate=Gate.FILE_COUNTS),
    _check(5, "lake_files_are_well_formed", "Every lake file is well formed", Capability.LAKE),
    _counts("parity_job_finds_no_mismatch", "The controller's own parity job finds no mismatch"),
    # of the job, and not of the rows
    _check(6, "parity_job_counts_as_we_do", "The job's counts are the counts we find", *_DIRECT, gate=Gate.PARITY),
    _counts("counts_agree_for_every_sensor", "Our counts agree for every sensor", *_DIRECT),
    _counts("counts_agree_for_every_sensor_and_day", "Our counts agree for every sensor and day", *_DIRECT),
    _parity(6, "every_due_row_is_in_the_lake_unchanged", "Every row is the same on both sides", *_DIRECT),
    _parity(
        6,
        "due_rows_beyond_the_window_are_in_the_lake",
        "Rows due beyond the covered range are in the lake",
        *_DIRECT,
    ),
    _parity(7, "random_windows_agree_by_direct_count", "Random windows agree by our count", *_DIRECT),
    _parity(
        7, "random_windows_agree_by_the_parity_job", "Random windows agree by the controller's job", spare=True
    ),
)

CHECKS: Mapping[str, CheckSpec] = {spec.key: spec for spec in _CHECKS}
"""Every check of the runbook by the name of its test function, in runbook order."""


def _by_key(*specs: CheckSpec) -> Mapping[str, CheckSpec]:
    return {spec.key: spec for spec in specs}


CONFORMANCE_CHECKS: Mapping[str, CheckSpec] = _by_key(
    _check(CONFORMANCE_STEP, "endpoint_answers_as_promised", "An endpoint answers as the contract has it"),
    _check(CONFORMANCE_STEP, "jobs_behave_as_promised", "Jobs behave as the contract has it"),
    _check(CONFORMANCE_STEP, "job_ends_as_promised", "A job ends as the contract has it"),
    _check(CONFORMANCE_STEP, "posts_are_limited_per_client", "POSTs are limited per client"),
)
"""The checks of the contract's endpoints, which run only when they are asked for."""

HELPER_CHECKS: Mapping[str, CheckSpec] = _by_key(
    _check(3, "inspector_helper_says_what_the_api_says", "The runbook's inspector says what the API says"),
    _check(BACKFILL_STEP, "backfill_helper_says_what_its_job_did", "The runbook's backfill says what its job did"),
    _check(PARITY_STEP, "parity_helper_says_what_its_job_did", "The runbook's parity check says what its job did"),
)
"""The runbook's own commands, beside our own calls: only with `--helpers`."""

SOAK_CHECKS: Mapping[str, CheckSpec] = _by_key(
    _check(
        SOAK_STEP,
        "watermark_stays_recent_through_the_soak",
        "The watermark stays recent through the soak",
        gate=Gate.INCREMENTAL,
    ),
    _check(
        SOAK_STEP,
        "watermark_never_retreats_in_the_soak",
        "The watermark never retreats in the soak",
        gate=Gate.INCREMENTAL,
    ),
    _check(
        SOAK_STEP,
        "file_counts_stay_bounded_in_the_soak",
        "File counts stay bounded in the soak",
        gate=Gate.FILE_COUNTS,
    ),
    _check(
        SOAK_STEP,
        "no_temporary_file_stays_in_the_soak",
        "No temporary file stays in the soak",
        Capability.LAKE,
        gate=Gate.FILE_COUNTS,
    ),
    _parity(SOAK_STEP, "rows_newly_due_are_in_the_lake", "What becomes due in the soak is in the lake", *_DIRECT),
    _parity(SOAK_STEP, "old_days_stay_as_they_were", "Old days stay the same on both sides in the soak", *_DIRECT),
    _parity(
        SOAK_STEP,
        "whole_range_is_the_same_after_the_soak",
        "Every row is the same on both sides after the soak",
        *_DIRECT,
    ),
)
"""What holds for hours: only with `--soak`."""

FAILURE_CHECKS: Mapping[str, CheckSpec] = _by_key(
    _check(FAILURES_STEP, "lake_survives", "The lake survives a failure of our own stack"),
)
"""Crashes that must lose nothing, on stacks of our own: only when `-m` names them."""

OTHER_CHECKS: Mapping[str, CheckSpec] = {**CONFORMANCE_CHECKS, **HELPER_CHECKS, **SOAK_CHECKS, **FAILURE_CHECKS}
"""Every check that is no part of the runbook: of these, only what was selected is missed."""


def builds_on(spec: CheckSpec) -> Iterator[CheckSpec]:
    """Yield the checks of earlier steps that one builds on: those that look at nothing which it does not rest on.

    So each builds on what the API must answer, and one that reads Postgres on what proves that it can be read, and
    is the controller's.
    """
    for earlier in CHECKS.values():
        if (
            earlier.step < spec.step
            and spec.step in _ORDERED
            and earlier.opens
            and earlier.requires <= spec.rests_on
        ):
            yield earlier


def spec_of(key: str) -> CheckSpec | None:
    """Return the entry of a check in any catalogue."""
    return CHECKS.get(key) or OTHER_CHECKS.get(key)


def step_name(step: int) -> str | None:
    """Return the name of a step, of the runbook or beyond it."""
    return STEP_NAMES.get(step) or OTHER_STEP_NAMES.get(step)


def step_label(step: int) -> str:
    """Return how a step is named in messages: ``step 2 (token)``."""
    return f"step {step} ({step_name(step) or 'not in the runbook'})"
