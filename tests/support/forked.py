"""Runs `tsse-validate` in processes that are forked from one which has imported it.

The import takes longer than most of the runs.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tsse_validation.cli import main
from tsse_validation.cli.app import COMMANDS

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([*{place.full_module for place in COMMANDS.values()}, __name__])
_PATIENCE_SECONDS = 120


def run_forked(arguments: Sequence[str], environment: Mapping[str, str], written: Sequence[Path]) -> int:
    """Run it to its end and return its exit code; `written` are the files for its output and its errors."""
    process = _FORKS.Process(target=_run, args=(arguments, dict(environment), written), daemon=True)
    process.start()
    process.join(_PATIENCE_SECONDS)
    assert process.exitcode is not None
    return process.exitcode


def _run(arguments: Sequence[str], environment: Mapping[str, str], written: Sequence[Path]) -> None:
    for descriptor, path in enumerate(written, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tsse-validate", *arguments]
    main()
