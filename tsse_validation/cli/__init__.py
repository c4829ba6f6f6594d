"""`tsse-validate`: the runbook's helpers, on the library that the suite itself runs on (contract section 6)."""

import os
import sys

from tsse_validation.cli.exit_codes import EXIT_INTERRUPTED, EXIT_NOT_CHECKED, exit_code_of
from tsse_validation.domain.errors import SuiteError


def main() -> None:
    """Run a command; an error is one or two lines on stderr, and decides the exit code."""
    output = sys.stdout
    try:
        # not before: a working directory that is gone is met as the library is imported
        from tsse_validation.cli.app import app

        app()
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            _say("interrupted")
        if sys.stdout is not output:  # typer puts another there when its reader has gone, and ends with 1
            sys.exit(EXIT_NOT_CHECKED)
        raise
    except SuiteError as error:
        _say(str(error))
        sys.exit(exit_code_of(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{where}{error.strerror or error}. It was not done, or not to its end.")
        # what is still to be written would be tried again at the very end, with an exit code of Python's own
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(EXIT_NOT_CHECKED)


def _say(words: str) -> None:
    sys.stderr.write(f"tsse-validate: {words}\n")
