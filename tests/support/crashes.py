"""A controller that is killed in the middle of a backfill, as a power cut does it."""

import os
import signal
from datetime import date
from functools import partial
from pathlib import Path

from tests.support.controller import Controller, dataset
from tsse_validation.domain.contract import BACKFILL_JOB
from tsse_validation.domain.polling import wait_until

_DATE_SECONDS = 30.0
_LOOK_SECONDS = 0.0005


def killed_between_removal_and_writing(controller: Controller, days: int, *, skip: int = 3) -> tuple[str, date]:
    """Backfill, kill the controller while a date is removed and not written again, and start it anew.

    Return the job, which stays `running` for ever, and the date that is left empty (contract section 3). The first
    `skip` dates are let pass.
    """
    root, process = dataset(controller.paths), controller.running.controller
    dates = sorted(root.iterdir())[skip:-1]
    pid = process.pid
    assert pid is not None
    with controller.core() as core:
        job = core.create_job(BACKFILL_JOB, {"days": days, "replace_existing": True}, purpose="test")
    for directory in dates:
        wait_until(partial(_gone, directory), seconds=_DATE_SECONDS, every=_LOOK_SECONDS)
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        if not any(directory.glob("shard=*/*.parquet")):
            process.kill()
            controller.start_controller()
            return job.id, date.fromisoformat(directory.name.removeprefix("date="))
        os.kill(pid, signal.SIGCONT)
    raise AssertionError("no date was seen between its removal and its writing")


def _gone(directory: Path) -> bool:
    return not directory.is_dir()
