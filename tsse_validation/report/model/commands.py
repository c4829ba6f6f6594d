"""Command lines to copy into a shell: a run's own once more, and the helpers with the run's options. Pure."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping

from tsse_validation.domain.catalogue import CHECKS, FAILURE_CHECKS
from tsse_validation.runlog.records import SettingValue
from tsse_validation.runlog.redaction import MASK
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.setting_record import NOT_SET
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import DEFAULT
from tsse_validation.suite_home import RUN_COMMAND

_FLAGS = {name for name, field in Settings.model_fields.items() if field.annotation is bool} | {
    "replace_existing",
    "wait",
}
_SECRETS = {"auth_token": "TSSE_AUTH_TOKEN", "database_url": "TSSE_DATABASE_URL"}
_UNSPELLED = {"set", NOT_SET, "False", ""}
"""What the log of an earlier version says of a value that cannot be repeated."""
_OF_A_CI = "GITHUB_STEP_SUMMARY"
LIVE_CHECKS = "tier_a"
OWN_CHECKS_WITH_FAILURES = "nightly or failures"


def quoted(word: str) -> str:
    """Return a word as a shell reads it; what a screen would not show as it is becomes escapes of bash and zsh."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in "\\'" else character
    of_a_byte = "\udc80" <= character <= "\udcff"  # as a file name that is no UTF-8 is read
    written = character.encode("utf-8", "surrogateescape" if of_a_byte else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in written)


def line_of(words: Iterable[str]) -> str:
    """Return a command line of these words."""
    return " ".join(map(quoted, words))


def given_options(result: RunResult) -> dict[str, str]:
    """Return what a run was given, by setting, spelled as a command line gives it; never a secret."""
    return {setting.name: text for setting in result.started.settings if (text := _spelled(setting))}


def untold(result: RunResult) -> list[str]:
    """Return the variables that must be set again, for what was given is a secret that no report tells."""
    told = given_options(result)
    given = {setting.name for setting in result.started.settings if setting.value == "set"}
    return [variable for name, variable in _SECRETS.items() if name in given and name not in told]


def run_again(result: RunResult, changes: Mapping[str, str] | None = None) -> str:
    """Return the command that begins the same run once more, but for these `changes` (an empty one leaves out)."""
    options = {name: text for name, text in (given_options(result) | dict(changes or {})).items() if text}
    return f"{_program(result)} {' '.join(_options(options))}".rstrip()


def helper(result: RunResult, command: str, takes: Collection[str], more: Mapping[str, str]) -> str:
    """Return a command of `tsse-validate` with those of the run's options that it takes, and `more`."""
    given = given_options(result)
    options = {name: text for name, text in given.items() if name in takes}
    return f"tsse-validate {command} {' '.join(_options(options | dict(more)))}".rstrip()


def _program(result: RunResult) -> str:
    """Return the command that began the run, with the checks that it chose, if it left none of the runbook out."""
    started = result.started
    chosen = started.markers
    live = result.stack is not None and not result.stack.owned
    if not chosen or any(not plan.selected for plan in result.planned if plan.key in CHECKS):
        failures = any(plan.selected for plan in result.planned if plan.key in FAILURE_CHECKS)
        chosen = LIVE_CHECKS if live else OWN_CHECKS_WITH_FAILURES if failures else ""
    program = RUN_COMMAND if started.program == RUN_COMMAND else "pytest"
    return " ".join([program, *(["-m", quoted(chosen)] if chosen else [])])


def _options(options: Mapping[str, str]) -> Iterator[str]:
    for name, text in options.items():
        # with the sign between: pytest would take a path after a blank for a test's
        yield option_of(name) if name in _FLAGS else f"{option_of(name)}={quoted(text)}"


def _spelled(setting: SettingValue) -> str:
    if setting.name not in Settings.model_fields or setting.source == DEFAULT or _OF_A_CI in setting.source:
        return ""
    text = setting.spelled or ("" if setting.value in _UNSPELLED else setting.value)
    return "" if MASK in text else text
