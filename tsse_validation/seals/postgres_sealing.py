"""Makes the seal of Postgres: digests of what is due, and the keys that are not, in short read-only transactions.

Each slice is read in transactions of its own, and its digests and keys not due are of the very same states. So a
seal says of each slice what was due there as of its states: it does not say that all slices were so at once.

Why a slice of an interrupted seal may be taken over. The watermark is the same, so a row that was due in the
slice's state is due now, unless it was changed since. An upsert gives it a later `inserted_at` (contract section
5): its key then is among those not due now, and was not before. A row that has come in since is not due, and its
key is a new one among those, too. So the keys not due of each slice are asked for anew, by the index on
`inserted_at`, and a day with another set of them is read again. What this does not see it need not see: a row that
was deleted or written over with its old `inserted_at` since, or committed long after it was inserted, was due, or
not, in the state that the slice names with its instant, and that is all that a slice says.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.identity import Moment
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.digest import rows_digested
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import to_the_second, utc_day, without_zone
from tsse_validation.domain.polling import Update, quiet
from tsse_validation.domain.windows import Window, without_windows
from tsse_validation.parity.beyond import OuterReader
from tsse_validation.parity.postgres_side import PostgresSide, SideOfDays
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.seals.seal import (
    KEYS_SCHEMA,
    LINE_SCHEMA,
    NOT_DUE,
    PostgresRead,
    Seal,
    SealFacts,
    SealSide,
    SliceRead,
    in_part,
    of_part,
)
from tsse_validation.seals.sealed_parts import begins_within
from tsse_validation.seals.stamping import stamp_of

_BEGIN_ANEW = "Leave --resume out to seal every day anew."


def seal_postgres(
    postgres: PostgresClient,
    parts: Sequence[Scope],
    *,
    now: Callable[[], datetime],
    resume: Seal | None = None,
    on_day: Update = quiet,
) -> Seal:
    """Seal what Postgres holds of some parts; errors as in `PostgresSealing`."""
    return PostgresSealing(postgres, parts, now=now, resume=resume).run(on_day)


class PostgresSealing:
    """Seals Postgres slice by slice; what was read when it is broken off is in `so_far`.

    `parts` are scopes of which the first is the covered range. `resume` is a seal that is not complete, of the
    same parts and database. Each session has to be on the server process that the first was on: of several behind
    one name, one may be behind the others.

    Raises:
        NotCheckedError: a standby has not come up to the watermark; another server has answered; or what `resume`
            has cannot be taken over, with the reason.
        SuiteError: as in `BoundedReader.pieces`.
    """

    def __init__(
        self,
        postgres: PostgresClient,
        parts: Sequence[Scope],
        *,
        now: Callable[[], datetime],
        resume: Seal | None = None,
    ) -> None:
        self._postgres = postgres
        self._parts = tuple(parts)
        self._now = now
        self._resume = resume
        self._read: PostgresRead | None = None
        self._first: Moment | None = None
        self._lines: list[pa.Table] = []
        self._keys: list[pa.Table] = []
        self._slices: list[SliceRead] = []

    @property
    def so_far(self) -> Seal | None:
        """What is sealed by now, as a seal that is not complete; `None` where no slice is."""
        return self._sealed(complete=False) if self._slices else None

    def run(self, on_day: Update = quiet) -> Seal:
        """Read all that is left, and return the seal; `on_day` hears of days of the covered range."""
        database, self._first = BoundedReader(self._postgres).ask(lambda state: (state.database(), state.moment()))
        _hold_up_to_date(self._first, database, self._parts)
        self._read = PostgresRead(database=database, begins=begins_within(self._postgres, self._parts))
        if self._resume is not None:
            self._take_over(self._resume, database)
        for number, scope in enumerate(self._parts):
            taken = [one.window for one in self._slices if one.part == number]
            for left in without_windows(scope.window, taken):
                for side in self._sides(number, scope.narrowed(left)):
                    self._add(number, side)
                    if number == 0:
                        _report(on_day, scope.window, side)
        return self._sealed(complete=True)

    def _sides(self, number: int, scope: Scope) -> Iterator[SideOfDays]:
        """Read the covered range by days, and what lies beyond it by chunks: it may be all time."""
        if number == 0:
            return PostgresSide(self._postgres).slices(scope, hashed=True)
        return OuterReader(self._postgres).slices(scope, hashed=True)

    def _add(self, number: int, side: SideOfDays) -> None:
        for moment in side.moments:
            self._hold_server(moment)
        self._lines.append(_lines(number, side.digests))
        self._keys.append(in_part(number, side.not_due, KEYS_SCHEMA))
        snapshots = tuple(moment.snapshot for moment in side.moments)
        at = min(moment.at for moment in side.moments)
        self._slices.append(SliceRead(part=number, window=side.scope.window, snapshots=snapshots, at=at))

    def _hold_server(self, moment: Moment) -> None:
        if self._first is not None and moment.process != self._first.process:
            msg = f"Postgres at {self._postgres.where} is another server process now than when the seal was begun."
            raise NotCheckedError(
                msg, "It was restarted, or the DSN leads to several: name one of them, and seal again."
            )

    def _take_over(self, earlier: Seal, database: DatabaseSeen) -> None:
        """Take the days of an earlier seal over on which no other keys are not due now."""
        if why := why_not_resumed(earlier.facts, database, self._parts):
            msg = f"What was sealed before cannot be gone on with: {why}."
            raise NotCheckedError(msg, _BEGIN_ANEW)
        assert earlier.facts.postgres is not None  # noqa: S101 - it is of Postgres
        reader = OuterReader(self._postgres)
        for number, scope in enumerate(self._parts):
            before = of_part(earlier.tables[NOT_DUE], number)
            lines = of_part(earlier.lines, number)
            for one in (one for one in earlier.facts.postgres.slices if one.part == number):
                now = reader.not_due_keys(scope.narrowed(one.window))
                changed = _days_changed(_within(before, one.window), now)
                days = [window for day in sorted(changed) if (window := one.window.on(day)) is not None]
                for window in without_windows(one.window, days):
                    self._slices.append(one.model_copy(update={"window": window}))
                    self._lines.append(_on_days(lines, window))
                    self._keys.append(_within(before, window))

    def _sealed(self, *, complete: bool) -> Seal:
        assert self._read is not None  # noqa: S101 - it is set before the first slice is read
        slices = tuple(sorted(self._slices, key=lambda one: (one.part, one.window)))
        facts = SealFacts(
            side=SealSide.POSTGRES,
            parts=self._parts,
            complete=complete,
            postgres=self._read.model_copy(update={"slices": slices}),
        )
        order = [(name, "ascending") for name in KEYS_SCHEMA.names]
        keys = pa.concat_tables([KEYS_SCHEMA.empty_table(), *self._keys]).sort_by(order)
        lines = pa.concat_tables([LINE_SCHEMA.empty_table(), *self._lines])
        return Seal(facts, stamp_of(self._now()), lines, {NOT_DUE: keys})


def why_not_resumed(earlier: SealFacts, database: DatabaseSeen, parts: Sequence[Scope]) -> str:
    """Return why the days of an earlier seal cannot be taken over, or nothing."""
    if earlier.postgres is None:
        return "it is a seal of the lake"
    if earlier.complete:
        return "it is complete"
    if earlier.parts != tuple(parts):
        return "the lake has promised something else since, or something else is asked for"
    before = earlier.postgres.database
    for what, its, ours in (
        ("schema", before.tables_in, database.tables_in),
        ("database", before.database, database.database),
        *_servers(before, database),
    ):
        if its != ours:
            return f"it is of the {what} {its}, and this is {ours}"
    return ""


def _servers(before: DatabaseSeen, now: DatabaseSeen) -> list[tuple[str, str, str]]:
    """Return what tells servers apart: the cluster where both roles may ask for it, else the address."""
    if before.system_identifier and now.system_identifier:
        cluster = ("cluster", before.system_identifier, now.system_identifier)
        # a standby may be behind what the primary has shown
        return [cluster, ("kind of server", _kind(before), _kind(now))]
    return [("server", before.server, now.server)]


def _kind(seen: DatabaseSeen) -> str:
    return "standby" if seen.standby else "primary"


def _hold_up_to_date(moment: Moment, database: DatabaseSeen, parts: Sequence[Scope]) -> None:
    """Hold that a standby has replayed what was inserted up to the watermark: later sessions see no less."""
    if not moment.standby:
        return
    watermark = max(part.coverage.watermark for part in parts)
    if moment.replayed_until is None or moment.replayed_until < watermark:
        until = f"up to {to_the_second(moment.replayed_until)}" if moment.replayed_until else "nothing yet"
        msg = (
            f"Postgres at {database.server} is a standby that has replayed {until}, and the lake's watermark is "
            f"{to_the_second(watermark)}: what is missing there is no fault of the lake."
        )
        raise NotCheckedError(msg, "Wait until it has caught up, or seal the primary.")


def _report(on_day: Update, whole: Window, side: SideOfDays) -> None:
    until = utc_day(side.scope.window.end)
    done, days = (until - utc_day(whole.start)).days + 1, (utc_day(whole.end) - utc_day(whole.start)).days + 1
    on_day(done, days, f"digested up to {until}", rows=rows_digested(side.digests))


def _lines(number: int, digests: pa.Table) -> pa.Table:
    shards = pa.array([""] * digests.num_rows, pa.string())
    return in_part(number, digests.add_column(0, "shard", shards), LINE_SCHEMA)


def _within(keys: pa.Table, window: Window) -> pa.Table:
    first, last = map(without_zone, (window.start, window.end))
    return keys.filter(pc.and_(pc.greater_equal(keys["ts"], first), pc.less_equal(keys["ts"], last)))


def _on_days(lines: pa.Table, window: Window) -> pa.Table:
    first, last = (pa.scalar(utc_day(end), pa.date32()) for end in (window.start, window.end))
    return lines.filter(pc.and_(pc.greater_equal(lines["day"], first), pc.less_equal(lines["day"], last)))


def _days_changed(before: pa.Table, now: pa.Table) -> set[date]:
    """Return the days on which other keys are not due now than before; both tables are of `(sensor_id, ts)`."""
    return {ts.date() for _, ts in _pairs(before) ^ _pairs(now)}


def _pairs(keys: pa.Table) -> set[tuple[str, datetime]]:
    return set(zip(keys["sensor_id"].to_pylist(), keys["ts"].to_pylist(), strict=True))
