"""The run that `--resume` names: what it has proven is taken over where it still stands."""

from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.runlog.result import RunResult
from tsse_validation.steps.run import ValidationRun


def earlier_run(run: ValidationRun) -> RunResult | None:
    """Return what the run named by `--resume` has seen, or `None` where none is named.

    Raises NotCheckedError when the file is no run's log, or that run was of another controller.
    """
    if run.settings.resume is None:
        return None
    try:
        earlier = RunResult.from_log(run.settings.resume)
    except (OSError, ValueError) as error:
        msg = f"--resume names {run.settings.resume}, which is not the log of a run."
        raise NotCheckedError(msg, "Name the run.jsonl in that run's folder, or leave it out.") from error
    if earlier.stack is None or run.stack is None or earlier.stack.base_url != run.stack.base_url:
        msg = f"--resume names run {earlier.started.run_id}, which was not of this controller."
        raise NotCheckedError(msg, "Leave it out, or name a run of this one.")
    return earlier
