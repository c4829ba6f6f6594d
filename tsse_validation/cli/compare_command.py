"""`tsse-validate compare`: whether a seal of Postgres and one of the lake hold the same, day by day."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tsse_validation.cli.printing import print_json
from tsse_validation.cli.seal_output import places_read
from tsse_validation.cli.setting_options import AsJson
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import format_rfc3339, to_the_second
from tsse_validation.domain.outcome import EXIT_CODES, Outcome
from tsse_validation.domain.phrasing import count_of
from tsse_validation.runlog.records import CountRow
from tsse_validation.seals.seal import LakeRead, Seal, Stamp
from tsse_validation.seals.seal_comparing import LeftDay, PartCompared, SealComparison, compare_seals
from tsse_validation.seals.seal_file import read_seal

_NOT_OF_A_SEAL = {"record", "job_id", "job_created_at"}
"""What a run's record of its database has besides."""
MOST_NAMED = 20
"""Sensor-days that are named in text; the JSON has all."""
NOT_PROVEN = (
    "A seal does not prove who made it, nor that the database is the controller's: docs/SEALS.md says what does."
)
_ON = (
    "Seal both sides again first: what was changed in Postgres since, and compacted in the lake, looks lost. Then "
    "have the rows named: by a run with --lake-seal and `seal lake --rows-of`, or by `parity --mode direct`."
)
_ON_WITH_LEFT = "Seal the lake again, --as-of this seal of Postgres, with every file readable."


def compare_sealed(
    postgres: Annotated[Path, typer.Argument(metavar="POSTGRES.seal", readable=False, show_default=False)],
    lake: Annotated[Path, typer.Argument(metavar="LAKE.seal", readable=False, show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Compare a seal of Postgres with a seal of the lake: every sensor-day of both. Nothing else is read."""
    seals = read_seal(postgres), read_seal(lake)
    compared = compare_seals(*seals)
    if as_json:
        print_json(_document(compared, *seals))
    else:
        typer.echo("\n".join(_text(compared, *seals)))
    if compared.differing or compared.misplaced or compared.faults:
        typer.echo(f"tsse-validate: not alike. {_ON}", err=True)
        raise typer.Exit(EXIT_CODES[Outcome.NO_GO])
    if compared.left:
        msg = f"{count_of(len(compared.left), 'sensor-day')} could not be compared; all others are alike."
        raise NotCheckedError(msg, _ON_WITH_LEFT)


def _text(compared: SealComparison, postgres: Seal, lake: Seal) -> Iterator[str]:
    seen, read = compared.postgres.database, compared.lake
    yield (
        f"Postgres: {seen.server}, schema {seen.tables_in}, {'a standby' if seen.standby else 'a primary'}; "
        f"{_made(postgres.stamp)}"
    )
    how = "as of this seal of Postgres" if read.as_of else "as of its own state"
    yield f"lake: {places_read(read)}, {how}; {_made(lake.stamp)}"
    yield from _taken_over(read)
    for number, part in enumerate(compared.parts):
        yield f"{'covered' if number == 0 else 'beyond'}: {_of_part(part)}"
    yield from _named("not alike", map(_both_sides, compared.differing), len(compared.differing))
    yield from _named("not compared", map(_why, compared.left), len(compared.left))
    yield from _named(
        "in another shard's directory",
        (f"{sensor} on {day}: shard {shard}" for sensor, day, shard in compared.misplaced),
        len(compared.misplaced),
    )
    yield from _named(
        "not as the contract wants it",
        (f"{fault.place}/{fault.path}: {fault.what}" for _, fault in compared.faults),
        len(compared.faults),
        of="file",
    )
    yield "All alike." if compared.alike else "Not proven alike."
    yield NOT_PROVEN


def _taken_over(read: LakeRead) -> Iterator[str]:
    """Say what of the lake was not read for this seal: it rests on an earlier one, and on identities of files."""
    if (taken := read.taken_over) is not None and taken.days:
        yield (
            f"lake, taken over from the seal {taken.baseline[:12]}…: {count_of(len(taken.days), 'date')}, read "
            f"{to_the_second(min(taken.days.values()))} and later; {count_of(taken.reread, 'shard-day')} of "
            f"{taken.shard_days + taken.reread:,} unchanged ones read again and found the same"
        )


def _made(stamp: Stamp) -> str:
    return f"sealed {to_the_second(stamp.made_at)} by {stamp.user} on {stamp.host}"


def _of_part(part: PartCompared) -> str:
    rows = count_of(sum(row.postgres for row in part.rows), "row")
    not_due = sum(row.not_due for row in part.rows)
    alone = sum(part.alone.values())
    return (
        f"{part.scope.window} as of {to_the_second(part.scope.coverage.watermark)}: {rows} due on "
        f"{count_of(len(part.rows), 'sensor-day')}, {not_due:,} not due"
        + (f"; {count_of(alone, 'row')} from before Postgres begins are the lake's alone" if alone else "")
    )


def _named(what: str, lines: Iterable[str], number: int, of: str = "sensor-day") -> Iterator[str]:
    if number:
        yield f"{count_of(number, of)} {what}:"
    for line, _ in zip(lines, range(MOST_NAMED), strict=False):
        yield f"  {line}"
    if number > MOST_NAMED:
        yield f"  and {number - MOST_NAMED:,} more (--json has all)"


def _both_sides(row: CountRow) -> str:
    if row.postgres == row.lake:
        return f"{row.sensor_id} on {row.day}: {count_of(row.lake, 'row')} on both sides, and their digests differ"
    return f"{row.sensor_id} on {row.day}: Postgres {row.postgres:,}, lake {row.lake:,}"


def _why(one: LeftDay) -> str:
    return f"{one.sensor_id or 'a shard'} on {one.day}: {one.why}{f' ({one.what})' if one.what else ''}"


def _document(compared: SealComparison, postgres: Seal, lake: Seal) -> dict[str, object]:
    return {
        "alike": compared.alike,
        "rows": compared.rows,
        "postgres": {
            "stamp": postgres.stamp.model_dump(mode="json"),
            **compared.postgres.model_dump(
                mode="json", exclude={"database": {"record", "job_id", "job_created_at"}}
            ),
        },
        "lake": {
            "stamp": lake.stamp.model_dump(mode="json"),
            **compared.lake.model_dump(mode="json", exclude={"manifest", "replication"}),
        },
        "parts": [_part(part) for part in compared.parts],
        "misplaced": [
            {"sensor_id": sensor, "day": str(day), "shard": shard} for sensor, day, shard in compared.misplaced
        ],
        "files": [{"aspect": aspect, **fault.model_dump(mode="json")} for aspect, fault in compared.faults],
        "proves_who_made_them": False,
    }


def _part(part: PartCompared) -> dict[str, object]:
    window, since = part.scope.window, part.scope.since
    return {
        "window": {"start": format_rfc3339(window.start), "end": format_rfc3339(window.end)},
        "since": format_rfc3339(since) if since else None,
        "computed_through_ts": format_rfc3339(part.scope.coverage.watermark),
        "sensor_days": len(part.rows),
        "rows": sum(row.postgres for row in part.rows),
        "not_due": sum(row.not_due for row in part.rows),
        "differing": _rows(part.differing),
        "left": [
            {"sensor_id": one.sensor_id, "day": str(one.day), "why": one.why, "what": one.what}
            for one in part.left
        ],
        "lake_alone": {str(day): rows for day, rows in sorted(part.alone.items())},
    }


def _rows(rows: Sequence[CountRow]) -> list[dict[str, object]]:
    return [
        {"sensor_id": row.sensor_id, "day": str(row.day), "pg_count": row.postgres, "lake_count": row.lake}
        for row in rows
    ]
