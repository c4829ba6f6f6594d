"""`tsse-validate`: the runbook's helpers, on the library that the suite itself runs on (contract section 6)."""

import sys

from tsse_validation.cli.app import app
from tsse_validation.cli.printing import EXIT_INTERRUPTED, exit_code_of
from tsse_validation.domain.errors import SuiteError


def main() -> None:
    """Run a command; an error is one or two lines on stderr, and decides the exit code."""
    try:
        app()
    except SuiteError as error:
        sys.stderr.write(f"tsse-validate: {error}\n")
        sys.exit(exit_code_of(error))
    except KeyboardInterrupt:
        sys.stderr.write("tsse-validate: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
