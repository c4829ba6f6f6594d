"""What docs/LIVE.md promises of a run on an installed controller, written down once more and held against records.

None of it is taken from the suite's own code: a guard that has gone soft must not make its own judge soft.
"""

import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.support.proxy import Exchanged
from tests.system.harmless.server_log import Line

MOST_POSTS = 45
"""Of the burst of 60 that the controller grants an address: 15 are left to others."""
_ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_JOBS = "/api/analysis/jobs"
_GETS = (r"/healthz", rf"{_JOBS}/{_ID}", rf"{_JOBS}/{_ID}/result", rf"{_JOBS}/{_ID}/events\?after=\d+&limit=\d+")
_PARAMS: Mapping[str, set[str]] = {
    "lake_inspect_v1": set(),
    "lake_replication_tick_v1": set(),
    "lake_backfill_v1": {"days", "replace_existing"},
    "lake_parity_check_v1": {"start", "end", "sensor_ids", "sample", "fail_on_mismatch"},
}

_RELATIONS = {
    *("metrics", "sensors", "analysis_jobs"),
    *("pg_settings", "pg_extension", "pg_inherits", "pg_class", "pg_namespace", "pg_attribute"),
    *("pg_constraint", "pg_policy", "pg_index", "pg_locks", "pg_stats", "timescaledb_information"),
}
_NO_RELATIONS = {"tables", "lateral", "clock_timestamp", "unnest", "pg_control_system"}
"""What stands after FROM or JOIN in our statements and is none: a name of their own, a keyword, a function."""
_FUNCTIONS = {
    *("count", "sum", "min", "max", "mod", "coalesce", "nullif", "greatest", "now", "clock_timestamp", "extract"),
    *(
        "current_setting",
        "hashfloat8extended",
        "float8send",
        "tstzrange_subdiff",
        "bool_or",
        "set_config",
        "unnest",
    ),
    *(
        "current_schemas",
        "row_security_active",
        "has_column_privilege",
        "has_function_privilege",
        "has_table_privilege",
        "concat_ws",
    ),
    *("inet_server_addr", "inet_server_port", "current_database", "pg_is_in_recovery", "pg_control_system"),
    *("pg_postmaster_start_time", "pg_relation_size", "pg_get_constraintdef", "pg_get_partkeydef", "pg_get_expr"),
    *("format", "pg_backend_pid", "width_bucket", "time_bucket", "date_bin", "txid_current_snapshot"),
    "pg_last_xact_replay_timestamp",
}
_KEYWORDS_BEFORE_A_BRACKET = {
    *("any", "filter", "from", "in", "or", "and", "as", "lateral", "using", "copy", "stdout", "array", "exists"),
    *("wanted", "spans"),
}
_TRANSACTION = re.compile(r"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY|COMMIT|ROLLBACK")
_READING = re.compile(
    r"(SELECT|WITH RECURSIVE tables AS \( ?SELECT) .*|COPY \(SELECT .*\) TO STDOUT \(FORMAT csv, HEADER\)",
    re.DOTALL,
)
_WORDS_THAT_CHANGE = re.compile(
    r"\b(insert|update|delete|merge|truncate|create|alter|drop|grant|revoke|into|lock|vacuum|analyze|call|do|set"
    r"|reset|notify|listen|prepare|program|for\s+(update|share))\b",
    re.IGNORECASE,
)


def foreign_calls(sent: Iterable[Exchanged]) -> list[str]:
    """Return the calls that are not the runbook's, or that cancel a job of somebody else."""
    foreign: list[str] = []
    own: set[str | None] = set()
    for call in sent:
        if not _is_the_runbooks(call, own):
            foreign.append(str(call))
        if call.method == "POST" and call.path == _JOBS and call.status == 200:
            own.add(call.job_id)
    return foreign


def _is_the_runbooks(call: Exchanged, own: set[str | None]) -> bool:
    if call.method == "GET":
        return not call.sent and any(re.fullmatch(target, call.path) for target in _GETS)
    if call.method != "POST":
        return False
    if cancel := re.fullmatch(rf"{_JOBS}/({_ID})/cancel", call.path):
        return not call.sent and cancel[1] in own
    job = call.job
    return (
        call.path == _JOBS
        and isinstance(job, dict)
        and job.keys() == {"job_type", "params", "job_key", "dedupe"}
        and job["params"].keys() == _PARAMS.get(job["job_type"])
        and (job["job_key"], job["dedupe"]) == (None, False)
    )


def posts(sent: Iterable[Exchanged]) -> int:
    """Return how much of the controller's budget was drawn."""
    return sum(call.method in {"POST", "PUT", "DELETE"} for call in sent)


def foreign_statements(lines: Iterable[Line]) -> list[str]:
    """Return the statements that are more than reading what docs/LIVE.md grants, in a read-only transaction."""
    return [line.statement for line in lines if line.statement and not _only_reads(line.statement)]


def _only_reads(statement: str) -> bool:
    if _TRANSACTION.fullmatch(statement):
        return True
    bare = re.sub(r"'(?:[^']|'')*'", "''", statement)
    return (
        _READING.fullmatch(bare) is not None
        and ";" not in bare
        and not _WORDS_THAT_CHANGE.search(bare)
        and {name.lower() for name in re.findall(r"(\w+)\s*\(", bare)} <= _FUNCTIONS | _KEYWORDS_BEFORE_A_BRACKET
        and {name.lower() for name in re.findall(r"\b(?:FROM|JOIN) (?:pg_catalog\.)?(\w+)", bare)}
        <= _RELATIONS | _NO_RELATIONS
    )


def most_sessions_at_once(lines: Sequence[Line]) -> int:
    """Return how many sessions had work to do at one time: each from its first line to its last statement."""
    spans: dict[int, tuple[int, int]] = {}
    for number, line in enumerate(lines):
        if line.statement:
            spans[line.pid] = (spans.get(line.pid, (number, number))[0], number)
    return max((sum(begin <= at <= end for begin, end in spans.values()) for at, _ in spans.values()), default=0)


def unlimited_sessions(lines: Sequence[Line]) -> list[int]:
    """Return the sessions whose first statement does not open a read-only transaction."""
    first: dict[int, str] = {}
    for line in lines:
        if line.statement:
            first.setdefault(line.pid, line.statement)
    return [pid for pid, statement in first.items() if not statement.startswith("BEGIN")]


def tree(*roots: Path) -> dict[Path, tuple[int, ...]]:
    """Return all that stands below some directories with its kind, mode, owner, size and time of change.

    A directory's time changes with every entry that is made in it, also one that is gone again.
    """
    found: dict[Path, tuple[int, ...]] = {}
    for root in roots:
        for path in [root, *root.rglob("*")]:
            status = path.lstat()
            found[path] = (
                *(stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid),
                *(status.st_size if stat.S_ISREG(status.st_mode) else 0, status.st_mtime_ns, status.st_ino),
            )
    return found


def changes(before: Mapping[Path, tuple[int, ...]], after: Mapping[Path, tuple[int, ...]]) -> list[Path]:
    """Return what came, went or changed."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
