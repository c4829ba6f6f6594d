"""Step 6, by the controller's own parity job: the runbook's spot check, and whether the job counts as we do."""

from tsse_validation.diagnosis.count_triage import job_mismatch, narrowed_mismatch
from tsse_validation.diagnosis.tally import NOTHING_TO_DO
from tsse_validation.domain.contract import ParityResult
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError
from tsse_validation.domain.stack import Capability
from tsse_validation.domain.windows import Window
from tsse_validation.parity.by_job import MismatchError, SpotCheck, SpotChecker
from tsse_validation.parity.comparing import disagreements_with_job
from tsse_validation.parity.direct import DirectProof
from tsse_validation.runlog.records import Finding
from tsse_validation.steps.lake_recorder import LakeRecorder
from tsse_validation.steps.run import Check, ValidationRun

MOST_NARROWED = 3
"""Sensors whose mismatch is narrowed down by jobs: each takes five POSTs or more."""
POSTS_KEPT_FOR_OTHERS = 15
"""POSTs of the budget that are left to other users of the controller on this host."""


def reads_directly(run: ValidationRun) -> bool:
    """Whether both Postgres and the lake's files can be read in this run."""
    return not {Capability.POSTGRES, Capability.LAKE} & run.absent.keys()


def record_spot_check(
    run: ValidationRun, checker: SpotChecker, window: Window, lake_recorder: LakeRecorder, check: Check
) -> SpotCheck:
    """Run the runbook's spot check, and record its counts and findings.

    Raises PromiseBrokenError when counts differ, other than by late rows; NotCheckedError when no row was counted.
    """
    try:
        spot = checker.check(window, run.settings.sensor_ids, run.settings.sample, purpose="parity")
    except MismatchError as error:
        mismatch = job_mismatch(error.window, error.lost)
        check.record(error.counts, mismatch)
        lake_recorder.parity(error.result)
        if not reads_directly(run):
            for lost in error.lost[:MOST_NARROWED]:
                hours = checker.narrow(window, lost, POSTS_KEPT_FOR_OTHERS)
                check.record(narrowed_mismatch(lost.sensor_id, hours))
        msg = f"{mismatch.diagnosis}: {mismatch.summary}; {mismatch.evidence}."
        raise PromiseBrokenError(msg, mismatch.next_step) from None
    check.record(spot.counts())
    lake_recorder.parity(spot.result)
    if spot.late:
        check.record(_late(spot))
    if not spot.rows:
        msg = f"None of the {len(spot.result.rows)} sensors has a row in {window}: equal zeros prove nothing."
        raise NotCheckedError(msg, "Name busier ones by --sensor-ids, or widen the window.")
    check.fact("window", window)
    check.fact("sensors", len(spot.result.rows))
    check.fact("rows in Postgres", f"{spot.rows:,}")
    return spot


def _late(spot: SpotCheck) -> Finding:
    return Finding(
        diagnosis="late arrival",
        flagged=False,
        summary=f"{len(spot.late)} sensors differed at first",
        evidence="the lake held every row that was counted once the watermark had passed the count",
        sensors=tuple(count.sensor_id for count in spot.late),
        next_step=NOTHING_TO_DO,
    )


def check_job_against_ours(job: ParityResult, proof: DirectProof, covered: Scope, check: Check) -> None:
    """Hold the job's counts against our own of the same window."""
    ours = proof.count_window(covered.narrowed(job.window_checked))
    check.fact("window", job.window_checked)
    disagreements = disagreements_with_job(job, ours.rows)
    check.that(
        not disagreements,
        f"The job and we disagree: {'; '.join(disagreements[:3])}.",
        "The controller's own parity check cannot be trusted: treat it as a bug of the job.",
    )
