"""What the lake's owner hands in is held to what was asked for; all else is told, waited past, and no proof."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pytest

from tests.integration.clients.conftest import Told
from tests.support.builders import FakeClock
from tests.support.sealed_lake import BEGIN, MADE, SENSORS, SHARDS, TARGET, WATERMARK, SealedLake
from tests.support.sealing import filed
from tests.unit.test_seals_compared import DATABASE
from tsse_validation.domain.contract import DATASET, Inspection
from tsse_validation.domain.errors import NotCheckedError
from tsse_validation.domain.instants import DAY
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.runlog.records import Note
from tsse_validation.runlog.seal_record import SealUsed
from tsse_validation.seals.lake_sealing import Reuse, seal_lake
from tsse_validation.seals.seal import KEYS_SCHEMA, NOT_DUE, PostgresRead, Seal, SealFacts, SealSide
from tsse_validation.seals.seal_comparing import ComparedSeals
from tsse_validation.seals.seal_file import seal_bytes, seal_of
from tsse_validation.seals.sent_files import RowsAnswer, RowsRequest, answer_rows
from tsse_validation.seals.stamping import stamp_of
from tsse_validation.settings.definitions import Settings
from tsse_validation.steps import sealing
from tsse_validation.steps.inspecting import dataset_of
from tsse_validation.steps.sealing import LakeExchange

if TYPE_CHECKING:
    from tsse_validation.clients.postgres import PostgresClient
    from tsse_validation.steps.progress import ProgressReporter
    from tsse_validation.steps.run import ValidationRun


@pytest.fixture
def lake(tmp_path: Path) -> SealedLake:
    return SealedLake.of(tmp_path)


def of_postgres(lake: SealedLake) -> Seal:
    """Return the seal of a Postgres that holds what the lake does."""
    own = lake.seal()
    lines = own.lines.set_column(1, "shard", pa.array([""] * own.lines.num_rows, pa.string()))
    facts = SealFacts(side=SealSide.POSTGRES, parts=own.facts.parts, postgres=PostgresRead(database=DATABASE))
    return filed(Seal(facts, stamp_of(MADE), lines, {NOT_DUE: KEYS_SCHEMA.empty_table()}))


def inspected(lake: SealedLake) -> Inspection:
    reader = lake.reader
    return Inspection(
        hot_path=str(lake.hot),
        datasets={DATASET: dataset_of(reader.listing())},
        replication=reader.replication(),
    )


@dataclass
class Exchanged:
    """An exchange about a lake, beside an owner who writes `given` as soon as the run waits."""

    lake: SealedLake
    directory: Path
    given: Callable[[Seal], bytes] | None = None
    inspection: Inspection | None = None
    said: list[str] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir()
        self.postgres = of_postgres(self.lake)
        now = inspected(self.lake)
        self._clock = FakeClock()
        run = SimpleNamespace(
            settings=Settings(await_seal=timedelta(seconds=3), shards=SHARDS),
            directory=self.directory,
            facts=SimpleNamespace(inspection=now),
            record=lambda *some: self.records.extend(some),
        )
        progress = SimpleNamespace(say=self.said.append, track=lambda _what: nullcontext(lambda *_, **__: None))
        self.exchange = LakeExchange(
            cast("ValidationRun", run),
            cast("PostgresClient", None),
            cast("ProgressReporter", progress),
            lambda: self.inspection or now,
            clock=self._clock,
            sleep=self._owner,
        )

    def _owner(self, seconds: float) -> None:
        if self.given is not None:
            (self.directory / "lake.seal").write_bytes(self.given(self.postgres))
        self._clock.sleep(seconds)

    def seals(self, monkeypatch: pytest.MonkeyPatch) -> ComparedSeals:
        monkeypatch.setattr(sealing, "seal_postgres", lambda *_, **__: self.postgres)
        return self.exchange.exchange(self.postgres.facts.parts)


def sealed(lake: SealedLake, *, cold: Path | None = None, shards: int = SHARDS) -> Callable[[Seal], bytes]:
    def made(postgres: Seal) -> bytes:
        reader = LakeReader(LakePaths(lake.hot, cold, shards))
        return seal_bytes(seal_lake(reader, postgres.facts.parts, now=lambda: MADE, as_of=postgres))

    return made


def with_facts(seal: Callable[[Seal], bytes], **facts: object) -> Callable[[Seal], bytes]:
    def made(postgres: Seal) -> bytes:
        one = seal_of(seal(postgres), "seal")
        return seal_bytes(replace(one, facts=one.facts.model_copy(update=facts)))

    return made


def with_read(seal: Callable[[Seal], bytes], **read: object) -> Callable[[Seal], bytes]:
    def made(postgres: Seal) -> bytes:
        one = seal_of(seal(postgres), "seal")
        assert one.facts.lake is not None
        lake = one.facts.lake.model_copy(update=read)
        return seal_bytes(replace(one, facts=one.facts.model_copy(update={"lake": lake})))

    return made


def flipped(seal: Callable[[Seal], bytes]) -> Callable[[Seal], bytes]:
    def made(postgres: Seal) -> bytes:
        content = bytearray(seal(postgres))
        content[len(content) // 2] ^= 1
        return bytes(content)

    return made


def test_the_seal_that_was_asked_for_is_taken_up(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = Exchanged(lake, tmp_path / "run", sealed(lake))
    exchanged.seals(monkeypatch)
    used = [record for record in exchanged.records if isinstance(record, SealUsed)]
    assert [(one.side, one.left) for one in used] == [("postgres", 0), ("lake", 0)]


def _older_state(watermark: object = WATERMARK, **more: object) -> Callable[[SealedLake, Path], Any]:
    def refused(lake: SealedLake, _root: Path) -> Callable[[Seal], bytes]:
        state = lake.reader.replication().model_copy(update={"computed_through_ts": watermark, **more})
        return with_read(sealed(lake), replication=state.model_dump_json())

    return refused


def linked(lake: SealedLake, root: Path) -> SealedLake:
    """Return the same lake by another name: on another machine no link tells that it is the same."""
    (root / "linked").symlink_to(lake.hot)
    return SealedLake(root / "linked")


REFUSED: dict[str, Callable[[SealedLake, Path], Callable[[Seal], bytes]]] = {
    "made as of none, without --as-of": lambda lake, _: lambda _pg: seal_bytes(lake.seal()),
    "made as of another seal of Postgres": lambda lake, _: with_read(sealed(lake), as_of="0" * 64),
    "is not complete": lambda lake, _: with_facts(sealed(lake), complete=False),
    "of format version 99": lambda lake, _: with_facts(sealed(lake), format=99),
    "of digest version 99": lambda lake, _: with_facts(sealed(lake), digest=99),
    "changed after it was sealed|no whole seal": lambda lake, _: flipped(sealed(lake)),
    "are of two backfills, or lakes": _older_state(backfill_to_ts=TARGET - DAY),
    "the lake's seal is older": _older_state(WATERMARK - timedelta(hours=1)),
    "different parts": lambda lake, _: with_facts(sealed(lake), parts=lake.parts()[:1]),
    "its hot path is": lambda _, root: sealed(SealedLake.of(root / "other")),
    "where a link makes them one": lambda lake, root: sealed(linked(lake, root)),
    "it has 8 shards": lambda lake, _: with_read(sealed(lake), shards=8),
    "no seal of a lake|seals of Postgres": lambda _l, _r: seal_bytes,
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_seal_that_will_not_do_is_told_with_the_cause_and_is_no_proof(
    why: str, lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = Exchanged(lake, tmp_path / "run", REFUSED[why](lake, tmp_path))
    with pytest.raises(NotCheckedError, match=why) as refused:
        exchanged.seals(monkeypatch)
    assert "Run again" in str(refused.value)
    assert sum("will not do" in line for line in exchanged.said) == 1
    assert not any(isinstance(record, SealUsed) for record in exchanged.records)
    assert any(isinstance(record, Note) for record in exchanged.records)


def test_a_seal_with_a_file_that_the_controller_does_not_have_is_of_another_lake(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = Exchanged(lake, tmp_path / "run", sealed(lake))
    lake.write("part-2-0.parquet", [(SENSORS[0], BEGIN + timedelta(minutes=1), 1.0, 0, WATERMARK + DAY)])
    with pytest.raises(NotCheckedError, match="another lake than the controller's: on 2026-01-01 it has"):
        exchanged.seals(monkeypatch)


def test_dates_that_lie_cold_are_not_told_by_a_seal_of_hot_alone(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = Exchanged(lake, tmp_path / "run", sealed(lake))
    exchanged.inspection = inspected(lake).model_copy(update={"cold_path": "/mnt/nas/cold"})
    with pytest.raises(NotCheckedError, match="its cold path is not set"):
        exchanged.seals(monkeypatch)


def test_a_backfill_of_somebody_else_that_ended_meanwhile_is_told(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = Exchanged(lake, tmp_path / "run", sealed(lake))
    now = inspected(lake)
    later = now.replication.model_copy(update={"backfill_to_ts": TARGET + DAY})
    exchanged.inspection = now.model_copy(update={"replication": later})
    with pytest.raises(NotCheckedError, match="A backfill of somebody else"):
        exchanged.seals(monkeypatch)


def test_what_does_not_come_in_time_is_missing_and_its_command_named(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = Exchanged(lake, tmp_path / "run")
    with pytest.raises(NotCheckedError, match="did not come within") as refused:
        exchanged.seals(monkeypatch)
    assert "seal lake --hot-path" in str(refused.value)


def test_an_interrupt_while_it_is_waited_for_takes_up_no_seal(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_postgres: Seal) -> bytes:
        raise KeyboardInterrupt

    exchanged = Exchanged(lake, tmp_path / "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exchanged.seals(monkeypatch)
    assert exchanged.records == []


def test_a_file_that_cannot_be_read_leaves_its_sensor_days_open(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = Exchanged(lake, tmp_path / "run", sealed(lake))
    size = lake.files[0].stat().st_size
    lake.files[0].write_bytes(b"x" * size)
    exchanged.seals(monkeypatch)
    (used,) = (record for record in exchanged.records if isinstance(record, SealUsed) and record.side == "lake")
    assert used.left > 0


def test_what_was_taken_over_from_an_earlier_seal_is_in_the_record(
    lake: SealedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lake.seal()

    def on_a_baseline(postgres: Seal) -> bytes:
        reuse = Reuse(before, 0.0, 1)
        parts = postgres.facts.parts
        return seal_bytes(seal_lake(lake.reader, parts, now=lambda: MADE, as_of=postgres, reuse=reuse))

    exchanged = Exchanged(lake, tmp_path / "run", on_a_baseline)
    exchanged.seals(monkeypatch)
    (used,) = (record for record in exchanged.records if isinstance(record, SealUsed) and record.side == "lake")
    assert used.rests_on
    assert used.unchanged > 0


# ---- the rows of what differs ----------------------------------------------------------------------------------


def _asked(before: Seal, after: Callable[[], SealedLake], told: Told | None, *words: str) -> None:
    request = RowsRequest(postgres="0" * 64, lake=before.stamp.sha256, sensor_days=((SENSORS[0], BEGIN.date()),))
    answer = RowsAnswer.of(answer_rows(after().reader, request, stamp_of(MADE)), request, "lake-rows.zip")
    assert before.facts.lake is not None
    with told(NotCheckedError, *words) if told else nullcontext():
        answer.hold_of(before.facts.lake, before.tables["files"])
    assert set(answer.days) == {date(2026, 1, 1)}


def test_rows_of_the_sealed_lake_are_taken(lake: SealedLake) -> None:
    def later() -> SealedLake:
        lake.replicated(WATERMARK + timedelta(hours=1))
        # compaction has put a new file in the place of the old one
        for path in lake.files:
            path.rename(path.with_name("part-9-0.parquet"))
        return lake

    _asked(lake.seal(), later, None)


def test_rows_of_another_lake_are_none_of_the_sealed_one(lake: SealedLake, tmp_path: Path, told: Told) -> None:
    _asked(lake.seal(), lambda: SealedLake.of(tmp_path / "other"), told, "another lake than the seal")


def test_rows_of_after_another_backfill_are_refused(lake: SealedLake, told: Told) -> None:
    def backfilled() -> SealedLake:
        lake.replicated(WATERMARK + DAY, backfill_to_ts=(TARGET + DAY).isoformat())
        return lake

    _asked(lake.seal(), backfilled, told, "a backfill has ended between them")


def test_rows_of_a_lake_whose_watermark_went_back_are_refused(lake: SealedLake, told: Told) -> None:
    def gone_back() -> SealedLake:
        lake.replicated(WATERMARK - timedelta(hours=1))
        return lake

    _asked(lake.seal(), gone_back, told, "its watermark went back")


def test_rows_of_a_file_that_was_written_over_since_are_refused(lake: SealedLake, told: Told) -> None:
    def written_over() -> SealedLake:
        lake.write("backfill-1-0.parquet", [(SENSORS[0], BEGIN, 1.0, 0, BEGIN)])
        return lake

    _asked(lake.seal(), written_over, told, "was written over since the lake was sealed")
