"""The lake's part of the Markdown report: the controller's own tables of partitions and replication, then ours."""

from tsse_validation.domain.phrasing import number
from tsse_validation.report.markdown.markup import Lines, bullet, code, escaped, hidden, table
from tsse_validation.report.model import words
from tsse_validation.report.model.lake_history import FilesLook, Measured
from tsse_validation.report.model.view import ReportView
from tsse_validation.runlog.records import PartitionFiles, ReplicationSeen

_SUMMARY = ("last_run_backlog_seconds", "last_run_row_count", "last_run_duration_ms")
"""What the controller's own report tells of replication, in its order."""
_MORE = ("last_run_at", "last_run_status", "last_run_error", "computed_through_ts", "last_inserted_at")


def partitions(view: ReportView) -> Lines:
    """Yield the file counts as the parity job tells them, with the headings of the controller's own report."""
    told = view.lake.parity_dates
    if told is None:
        yield f"{words.NOT_MEASURED.capitalize()}: no parity job told them."
        return
    headings = ("Date", "location", "manifest file_count", "max shard parquet files")
    # plain digits, as the controller writes them
    rows = (
        [
            code(of_date.day.isoformat()),
            _location(of_date),
            _plain(of_date.manifest_files),
            str(of_date.most_in_a_shard),
        ]
        for of_date in told.items
    )
    yield from table(headings, rows, align=("", "", "r", "r"))
    yield from hidden(told, "date")


def replication(view: ReportView) -> Lines:
    """Yield the replication summary as the controller's own report has it, and what else the state says."""
    summary = view.lake.summary
    if summary is None:
        yield f"{words.NOT_MEASURED.capitalize()}."
        return
    for name in (*_SUMMARY, *_MORE):
        yield bullet(f"{name}: {_state(summary, name)}")
    yield bullet(f"told by: {words.LOOKS[summary.source]} at {code(words.instant(summary.at))}")


def lag(view: ReportView) -> Lines:
    """Yield how far replication was behind, as often as the run asked."""
    lake = view.lake
    if lake.summary is None:
        yield f"{words.NOT_MEASURED.capitalize()}: the run did not get as far as asking."
        return
    measured = [one for one in (lake.age, lake.backlog) if one is not None]
    lags = ("Lag", "Last", "Lowest", "Highest", "Samples", "Limit")
    yield from table(lags, map(_lag, measured), align=("", *"rrrrr"))
    yield ""
    headings = ("At", "Told by", "Watermark", "Its age", "Backlog", "Last pass", "Rows", "Status")
    yield from table(headings, map(_look, lake.replication.items), align=("", "", "", "r", "r", "", "r", ""))
    yield from hidden(lake.replication, "time")


def files(view: ReportView) -> Lines:
    """Yield the files of the whole lake each time it was inspected, and per date the last time."""
    lake = view.lake
    if lake.files is None:
        yield f"{words.NOT_MEASURED.capitalize()}: the run did not inspect the lake."
        return
    looks = ("Inspected", "Dates", "Hot", "Cold", "Files", "Bytes", "Most in a shard-day", "On")
    yield from table(looks, map(_files, lake.looks), align=("", *"rrrrrr", ""))
    yield ""
    yield f"Each date, {escaped(lake.files.moment)}:"
    yield ""
    headings = ("Date", "location", "parquet files", "bytes", "shards", "max shard parquet files")
    rows = (
        [
            code(of_date.day.isoformat()),
            _location(of_date),
            *map(_plain, (of_date.files, of_date.size, of_date.shards, of_date.most_in_a_shard)),
        ]
        for of_date in lake.dates.items
    )
    yield from table(headings, rows, align=("", "", *"rrrr"))
    yield from hidden(lake.dates, "date")


def _state(seen: ReplicationSeen, name: str) -> str:
    value = seen.state.model_dump(mode="json")[name]
    if value is None:
        return words.NOT_MEASURED if name in _SUMMARY else "none"
    return code(f"{value:g}" if isinstance(value, float) else str(value))


def _location(of_date: PartitionFiles) -> str:
    return code(of_date.location) if of_date.location else "not said"


def _plain(number: int | None) -> str:
    return words.NOT_MEASURED if number is None else str(number)


def _lag(measured: Measured) -> list[str]:
    values = (measured.last, measured.lowest, measured.highest)
    samples = number(len(measured.samples))
    return [measured.name, *map(words.seconds, values), samples, words.seconds(measured.limit)]


def _look(look: ReplicationSeen) -> list[str]:
    state = look.state
    status = state.last_run_status or "not said"
    return [
        code(words.instant(look.at)),
        words.LOOKS[look.source],
        code(words.instant(state.computed_through_ts)),
        words.seconds(look.age_seconds),
        words.seconds(state.last_run_backlog_seconds),
        code(words.instant(state.last_run_at)),
        words.measured(state.last_run_row_count),
        f"{status}: {state.last_run_error}" if state.last_run_error else status,
    ]


def _files(look: FilesLook) -> list[str]:
    counts = (look.dates, look.hot, look.cold, look.files, look.size, look.most)
    fullest = look.fullest.isoformat() if look.fullest else "no date"
    return [f"{look.moment}, {words.moment(look.at)}", *map(number, counts), fullest]
