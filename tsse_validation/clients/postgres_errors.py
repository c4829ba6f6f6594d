"""What a failure of Postgres means, and what to do about it: each kind in a sentence of its own.

A refused session comes without its code, in words of the server's language or of libpq's: those that are known are
told apart by their English, and any other is quoted without a guess at its reason.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from tsse_validation.domain.errors import (
    AccessError,
    BusyError,
    DeadlineError,
    SettingsError,
    SuiteError,
    UnreachableError,
)

_REACHED = re.compile(r'connection to server (?:at|on socket) "([^"]+)"(?: \(([^)]+)\))?(?:, port (\d+))?')


@dataclass(frozen=True)
class _Kind:
    """A kind of failure: `told` by these codes or words; `what` follows "Postgres at …"."""

    error: type[SuiteError]
    what: str
    advice: str
    codes: Sequence[str] = ()
    words: Sequence[str] = ()


_FULL = _Kind(
    UnreachableError,
    "has no connection free for us",
    "It needs one: close idle sessions, raise the limit of the role or max_connections, or run again later.",
    ("53300",),
    ("too many clients", "too many connections", "remaining connection slots", "no more connections allowed"),
)
_STARTING = _Kind(
    UnreachableError,
    "takes no sessions now",
    "It starts, stops or recovers: run again when it is up (its log says what it waits for).",
    ("57P03",),
    ("is starting up", "is shutting down", "in recovery mode", "not yet accepting", "not accepting connections"),
)
_STATEMENTS = (
    _Kind(
        BusyError,
        "canceled a query of ours, which was in the way of what this standby replays",
        "Raise max_standby_streaming_delay there, set hot_standby_feedback, or give the primary; then run again.",
        ("40001", "40P01", "57P04"),
        ("conflict with recovery",),
    ),
    _Kind(
        DeadlineError,
        "canceled a query of ours because somebody asked it to",
        "Ask who canceled it (pg_cancel_backend), then run again.",
        words=("due to user request",),
    ),
    _Kind(
        DeadlineError,
        "waited too long for us within a transaction, and ended it",
        "The suite stood still, or its machine has too much to do: run again.",
        ("25P03",),
        ("idle-in-transaction timeout",),
    ),
    _Kind(
        DeadlineError,
        "was asked for too much in one transaction, which was ended so that nobody waits for it",
        "Look at the database's load, or raise --transaction-timeout.",
        ("25P04",),
        ("transaction timeout", "longer than a transaction may"),
    ),
    _Kind(
        BusyError,
        "has no room for more locks or in its shared memory",
        "Raise max_locks_per_transaction, or look at what else runs there; then run again.",
        words=("shared memory",),
    ),
    _Kind(
        UnreachableError,
        "has no memory left for a query of ours",
        "Look at what else runs on that machine, then run again.",
        ("53200",),
    ),
    _Kind(
        UnreachableError,
        "has no disk left for a query of ours",
        "Its disk is full: free some space there before anything else.",
        ("53100",),
    ),
    _Kind(
        UnreachableError,
        "allows a query of ours too few temporary files",
        "Raise temp_file_limit for this role.",
        ("53400",),
    ),
    _Kind(
        UnreachableError,
        "ended our session",
        "An administrator or a restart ended it: run again when the server is up.",
        ("57P01", "57P02", "57P05"),
        ("terminating connection", "server closed the connection unexpectedly", "connection is lost"),
    ),
    _Kind(
        UnreachableError,
        "cannot read its own files",
        "Its data is damaged: look at the server's log, and do not go on before that is clear.",
        ("XX001", "XX002"),
    ),
    _Kind(
        AccessError,
        "holds text that cannot be read as UTF-8",
        "A sensor's id or a job has bytes that are no text in its encoding: find and correct them.",
        ("22021", "22P05"),
    ),
    _Kind(
        AccessError,
        "hides rows from this role by a row-level security policy",
        "Give a role that sees all: the tables' owner, or ALTER ROLE … BYPASSRLS.",
        words=("row-level security",),
    ),
    _Kind(
        AccessError,
        "does not let us read",
        "Give a role that may SELECT from metrics, sensors and analysis_jobs.",
        ("42501",),
    ),
    _Kind(
        AccessError,
        "has not the tables of a controller",
        "Is this the controller's database (contract section 5)?",
        ("42P01", "42703", "3F000", "42883", "42804"),
    ),
    _FULL,
    _STARTING,
)
_SESSIONS = (
    _Kind(
        SettingsError,
        "cannot be looked for",
        "Its service is not in the service file: look at PGSERVICEFILE or ~/.pg_service.conf, or give the server.",
        words=("definition of service", "service file"),
    ),
    _FULL,
    _STARTING,
    _Kind(
        AccessError,
        "has no such database",
        "Correct the database's name in the DSN.",
        ("3D000",),
        ("database .* does not exist", "no such database"),
    ),
    _Kind(
        AccessError,
        "does not let us in",
        "Its pg_hba.conf has no line for this user, database and address, or one that wants or refuses SSL.",
        words=("pg_hba.conf",),
    ),
    _Kind(
        AccessError,
        "does not let us in",
        "It and the DSN do not agree on SSL: look at sslmode, sslrootcert and the server's certificate.",
        words=("does not support SSL", "SSL error", "certificate", "GSSAPI"),
    ),
    _Kind(
        AccessError,
        "does not let us in",
        "Check user and PGPASSFILE.",
        ("28P01", "28000"),
        ("authentication failed", "password", "role .* does not exist"),
    ),
    _Kind(
        AccessError,
        "does not let us in",
        "GRANT CONNECT ON DATABASE … TO this role.",
        codes=("42501",),
        words=("permission denied",),
    ),
    _Kind(
        AccessError,
        "does not let us in",
        "A pooler refuses what libpq asks for: leave it out of DSN and environment, or name the server itself.",
        ("08P01",),
        ("unsupported startup parameter",),
    ),
    _Kind(
        UnreachableError,
        "is not the kind of server that the DSN asks for",
        "Look at target_session_attrs in the DSN.",
        words=("session is (not )?read-only", "in hot standby"),
    ),
    _Kind(
        UnreachableError,
        "cannot be reached",
        "Is the host's name right, and can this machine resolve it?",
        words=("could not translate host", "Name or service not known", "failed to resolve"),
    ),
    _Kind(
        UnreachableError,
        "cannot be reached",
        "Is it running, is the DSN right?",
        words=(
            "refused",
            "No such file",
            "timeout",
            "timed out",
            "No route",
            "unreachable",
            "expected authentication",
        ),
    ),
)
_ANSWERED = _Kind(AccessError, "refuses our session", "Its own words say why; so does its log.")
_SILENT = _Kind(UnreachableError, "cannot be reached", "Is it running, is the DSN right?")


def reached(error: psycopg.Error) -> str | None:
    """Return the host and port that a refused connection went to, as libpq tells them."""
    found = _REACHED.search(str(error))
    if found is None:
        return None
    host, address, port = found.groups()
    address = f" ({address})" if address and address != host else ""
    return f"{host}:{port}{address}" if port else host


def explained(error: psycopg.Error, where: str) -> SuiteError:
    """Return what a failed statement means."""
    reason, code = _first_line(error), error.sqlstate or ""
    if isinstance(error, psycopg.errors.LockNotAvailable):
        msg = f"A query in Postgres at {where} waited too long for a lock."
        return BusyError(msg, "Somebody holds an exclusive lock on metrics or sensors: run again.")
    kind = _kind_of(_STATEMENTS, reason, code)
    if kind is None and isinstance(error, psycopg.errors.QueryCanceled):
        msg = f"A query in Postgres at {where} took longer than its statement timeout."
        return DeadlineError(msg, "Look at the database's load, or raise --statement-timeout.")
    if kind is not None:
        return kind.error(f"Postgres at {where} {kind.what}: {reason}.", kind.advice)
    named = f" ({code})" if code else ""
    return SuiteError(
        f"Postgres at {where} failed at a query of ours: {reason}{named}.", "Look at the server's log."
    )


def refused(error: psycopg.OperationalError, where: str) -> SuiteError:
    """Return why there is no session."""
    # one line for each address that was tried, and below it what the server has to add
    reason = next((line for line in reversed(str(error).splitlines()) if "failed: " in line), _first_line(error))
    told = reason.rsplit("failed: ", 1)[-1].removeprefix("FATAL:").removeprefix("ERROR:").strip().rstrip(".")
    kind = _kind_of(_SESSIONS, told, error.sqlstate or "")
    if kind is None:
        kind = _ANSWERED if "FATAL" in str(error) else _SILENT
    return kind.error(f"Postgres at {where} {kind.what}: {told}.", kind.advice)


def _kind_of(kinds: Sequence[_Kind], reason: str, code: str) -> _Kind | None:
    """Return the kind that words tell before the one that a code tells: some codes stand for several."""
    by_words = (kind for kind in kinds if any(re.search(words, reason) for words in kind.words))
    by_code = (kind for kind in kinds if code and code in kind.codes)
    return next(by_words, None) or next(by_code, None)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(".")
