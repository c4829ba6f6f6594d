"""Which helpers may be run, and with which arguments: the runbook's and no others (contract section 6).

A helper is a process of its own, which the guard of our requests does not see. So its command is held against the
table below before it is started. No shell runs it, and no token is an argument: it goes by a file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tsse_validation.clients.allowed import REPORT_IT
from tsse_validation.domain.contract import RUNBOOK_SAMPLE
from tsse_validation.domain.errors import NotAllowedError
from tsse_validation.domain.instants import format_rfc3339
from tsse_validation.domain.windows import Window

INSPECTOR, BACKFILL, PARITY_CHECK = "tsse_lake_inspector", "tsse_lake_backfill", "tsse_lake_parity_check"
_FLAG = None
_URL = r"https?://\S+"
_FILE = r".+"
_SECONDS = r"[1-9]\d*"
_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"

HELPER_CALLS: Mapping[str, Sequence[tuple[str, str | None]]] = {
    INSPECTOR: (("--mode", "api"), ("--api-base-url", _URL), ("--auth-token-file", _FILE)),
    BACKFILL: (
        ("--base-url", _URL),
        ("--auth-token-file", _FILE),
        # the helper has a default for what is no number, as the controller has
        ("--days", r"[1-9]\d?|[12]\d\d|3[0-5]\d|36[0-5]"),
        ("--replace-existing", _FLAG),
        ("--wait", _FLAG),
        ("--poll-seconds", _SECONDS),
        ("--timeout-seconds", _SECONDS),
    ),
    PARITY_CHECK: (
        ("--mode", "api"),
        ("--api-base-url", _URL),
        ("--auth-token-file", _FILE),
        ("--start", _INSTANT),
        ("--end", _INSTANT),
        ("--sample", str(RUNBOOK_SAMPLE)),
        ("--report", r".+\.md"),
    ),
}
"""Each helper with its options in the runbook's order; of each the pattern of its value, or `None` for a flag."""


@dataclass(frozen=True)
class HelperCall:
    """A helper's name and its arguments."""

    helper: str
    arguments: tuple[str, ...]


def inspector_call(base_url: str, token_file: Path) -> HelperCall:
    """Return the runbook's command of section 1."""
    return _call(INSPECTOR, "api", base_url, token_file)


def backfill_call(
    base_url: str, token_file: Path, *, days: int, poll_seconds: int, timeout_seconds: int
) -> HelperCall:
    """Return the runbook's command of section 2; it waits for the job's end."""
    return _call(BACKFILL, base_url, token_file, days, poll_seconds, timeout_seconds)


def parity_call(base_url: str, token_file: Path, window: Window, report: Path) -> HelperCall:
    """Return the runbook's command of section 4, which writes its report into a file."""
    return _call(PARITY_CHECK, "api", base_url, token_file, window.start, window.end, RUNBOOK_SAMPLE, report)


def _call(helper: str, *values: object) -> HelperCall:
    left = list(values)
    words: list[str] = []
    for option, pattern in HELPER_CALLS[helper]:
        words.append(option)
        if pattern is not _FLAG:
            value = left.pop(0)
            words.append(format_rfc3339(value) if isinstance(value, datetime) else str(value))
    return HelperCall(helper, tuple(words))


def hold_call(call: HelperCall) -> None:
    """Let a helper's command pass, or raise NotAllowedError: it is not in the table, and is not run."""
    if call.helper in HELPER_CALLS and _fits(call.arguments, HELPER_CALLS[call.helper]):
        return
    msg = f"The suite does not run {call.helper[:60]!r} with these arguments: the runbook has no such command."
    raise NotAllowedError(msg, REPORT_IT)


def _fits(arguments: Sequence[str], options: Sequence[tuple[str, str | None]]) -> bool:
    patterns: list[str] = []
    for option, pattern in options:
        patterns += [re.escape(option)] if pattern is _FLAG else [re.escape(option), pattern]
    return len(arguments) == len(patterns) and all(
        re.fullmatch(pattern, word, re.ASCII) for pattern, word in zip(patterns, arguments, strict=True)
    )
