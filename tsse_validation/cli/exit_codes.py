"""The exit codes that the commands end with."""

from tsse_validation.domain.errors import PromiseBrokenError, SettingsError, SuiteError
from tsse_validation.domain.outcome import EXIT_CODES, Outcome

EXIT_SETTINGS = 4
EXIT_INTERRUPTED = 130
EXIT_NOT_CHECKED = EXIT_CODES[Outcome.INCOMPLETE]
EXIT_CODES_TEXT = (
    "Exit codes: 0 done and as promised, 1 not as promised, 2 wrong usage, 4 a setting is wrong, "
    "6 could not be checked, 130 interrupted."
)


def exit_code_of(error: SuiteError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, SettingsError):
        return EXIT_SETTINGS
    return EXIT_CODES[Outcome.NO_GO] if isinstance(error, PromiseBrokenError) else EXIT_NOT_CHECKED
