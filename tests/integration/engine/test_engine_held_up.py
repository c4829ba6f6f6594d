"""Sessions that hold up ours, and what ours does to others: tried again, bounded, short, measured."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from pydantic import SecretStr

from fixtures.postgres import EmbeddedPostgres
from tests.integration.engine.conftest import NOON
from tests.integration.engine.farm import Farm
from tests.support.schema import with_tables
from tsse_validation.clients import bounded
from tsse_validation.clients.bounded import BoundedReader
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.session_use import SessionUse
from tsse_validation.clients.snapshot import Snapshot
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import BusyError, DeadlineError
from tsse_validation.domain.polling import wait_until
from tsse_validation.domain.slicing import Pace
from tsse_validation.lake import tasks
from tsse_validation.lake.rows import LakeRows
from tsse_validation.parity.direct import DirectProof

SENSORS = ("a", "b")
HOUR = timedelta(hours=1)
OUR_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tsse-validation'"


@pytest.fixture
def farm(conninfo: str, tmp_path: Path) -> Iterator[Farm]:
    made = Farm(conninfo, tmp_path, NOON)
    made.ingest(
        (sensor, NOON - n * HOUR, float(n), 0, NOON - n * HOUR) for sensor in SENSORS for n in range(1, 70)
    )
    made.backfill(3)
    made.client = client(conninfo)
    yield made
    made.close()


def client(conninfo: str, **more: float) -> PostgresClient:
    limits = {"connect_timeout": 10.0, "statement_timeout": 30.0, "lock_timeout": 0.05, **more}
    return PostgresClient(SecretStr(conninfo), **limits)  # type: ignore[arg-type]


@contextmanager
def locked(conninfo: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Hold what `compress_chunk` and others hold when they swap a table."""
    with psycopg.connect(conninfo) as other:
        other.execute("LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE")
        yield other


def test_a_lock_that_is_held_for_a_moment_holds_the_proof_up_and_does_not_end_it(
    farm: Farm, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    with locked(conninfo) as other:

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                other.commit()

        monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=pause))
        rows = farm.proof().compare_sensor_days(Scope.covered_by(farm.coverage()))
    assert rows
    assert all(row.matches for row in rows)
    assert pauses == sorted(pauses)
    assert farm.client.use.tries_again == len(pauses) == 3


def test_a_lock_that_is_held_for_ever_ends_in_a_sentence_after_a_bounded_number_of_tries(
    farm: Farm, conninfo: str
) -> None:
    pauses: list[float] = []
    reader = BoundedReader(farm.client, sleep=pauses.append)
    with locked(conninfo), pytest.raises(BusyError, match=r"waited too long for a lock. It was tried 6 times"):
        list(reader.pieces(Scope.covered_by(farm.coverage()), lambda snapshot, part: snapshot.counts(part)))
    assert len(pauses) == bounded.TRIES - 1
    assert max(pauses) <= 8


def test_a_piece_that_takes_too_long_is_tried_in_smaller_ones(conninfo: str, farm: Farm) -> None:
    impatient = client(conninfo, statement_timeout=0.3)
    asked: list[timedelta] = []

    def ask(snapshot: Snapshot, part: Scope) -> None:
        asked.append(part.window.end - part.window.start)
        seconds = 10 if asked[-1] > timedelta(days=1) else 0
        snapshot._connection.execute("SELECT pg_sleep(%s)", (seconds,))

    reader = BoundedReader(impatient, sleep=lambda _: None)
    parts = [part for part, _ in reader.pieces(Scope.covered_by(farm.coverage()), ask)]
    assert len(parts) > 2
    assert impatient.use.tries_again >= 1
    assert asked[0] > max(part.window.end - part.window.start for part in parts)
    with pytest.raises(DeadlineError, match=r"longer than its statement timeout\. It was tried 3 times"):
        reader.ask(lambda snapshot: snapshot._connection.execute("SELECT pg_sleep(10)"))


def test_a_transaction_that_takes_longer_than_it_may_is_ended(conninfo: str) -> None:
    short = client(conninfo, transaction_timeout=0.2)
    reader = BoundedReader(short, sleep=lambda _: None)

    def dawdle(snapshot: Snapshot) -> None:
        for _ in range(100):
            snapshot._connection.execute("SELECT pg_sleep(0.05)")

    with pytest.raises(DeadlineError, match="--transaction-timeout"):
        reader.ask(dawdle)


def test_no_statement_begins_in_a_transaction_whose_cancel_has_met_none(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.Connection, "cancel_safe", lambda *_: None)

    def dawdle(connection: psycopg.Connection) -> None:
        with SessionUse().measured(connection, longest_seconds=0.1):
            for _ in range(100):
                connection.execute("SELECT pg_sleep(0.05)")

    with psycopg.connect(conninfo) as connection:
        with pytest.raises(psycopg.errors.TransactionTimeout):
            dawdle(connection)
        connection.rollback()


def test_the_server_itself_bounds_what_is_lost_of_us(conninfo: str) -> None:
    """From PostgreSQL 17 on also the transaction as a whole."""
    with client(conninfo, transaction_timeout=77).snapshot() as snapshot:
        found = snapshot._connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name LIKE '%transaction%timeout'"
        ).fetchall()
    shown: dict[str, str] = dict(found)
    assert shown.pop("idle_in_transaction_session_timeout") == "60000"
    assert set(shown.values()) <= {"77000"}


def test_no_session_stays_open_for_as_long_as_the_lake_takes(
    farm: Farm, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []
    lines = LakeRows.lines

    def held_back(self: LakeRows, *args: object, **more: object) -> Generator[object]:
        for digested in lines(self, *args, **more):  # type: ignore[arg-type]
            with psycopg.connect(conninfo, autocommit=True) as other:
                ended.append(wait_until(lambda: other.execute(OUR_SESSIONS).fetchone() == (0,), seconds=30))
            yield digested

    monkeypatch.setattr(tasks, "BATCH_BYTES", 1)
    monkeypatch.setattr(LakeRows, "lines", held_back)
    proof = DirectProof(farm.client, farm.reader, pace=Pace(growth=1 / 28))
    assert all(row.matches for row in proof.compare_sensor_days(Scope.covered_by(farm.coverage())))
    assert ended == [True] * len(ended)
    assert len(ended) > 1


def test_days_that_took_several_pieces_are_compared_as_one(farm: Farm) -> None:
    scope = Scope.covered_by(farm.coverage())
    in_one = farm.proof().compare_sensor_days(scope)
    for growth in (1 / 100, 1 / 28, 1 / 5):
        proof = DirectProof(farm.client, farm.reader, pace=Pace(aim_seconds=0, growth=growth))
        assert proof.compare_sensor_days(scope) == in_one


def test_what_the_lake_raises_ends_the_query_that_is_under_way(
    farm: Farm, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    digests = Snapshot.digests

    def slow(self: Snapshot, *args: object, **more: object) -> object:
        begun.set()
        self._connection.execute("SELECT pg_sleep(60)")
        return digests(self, *args, **more)  # type: ignore[arg-type]

    def broken(*_: object, **__: object) -> Generator[object]:
        assert begun.wait(30)
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(Snapshot, "digests", slow)
    monkeypatch.setattr(LakeRows, "lines", broken)
    proof = DirectProof(farm.client, farm.reader, pace=Pace(growth=1 / 14))
    with pytest.raises(KeyboardInterrupt):
        proof.compare_sensor_days(Scope.covered_by(farm.coverage()))
    with psycopg.connect(conninfo, autocommit=True) as other:
        assert wait_until(lambda: other.execute(OUR_SESSIONS).fetchone() == (0,), seconds=30)
    with farm.client.snapshot() as snapshot:
        assert snapshot.sensor_ids() == list(SENSORS)


def test_what_sessions_take_is_measured(postgres: EmbeddedPostgres) -> None:
    now = [0.0]

    def clock() -> float:
        return now[0]

    use = SessionUse(clock)
    name = with_tables(postgres.create_database("measured"))
    made = PostgresClient(SecretStr(name), connect_timeout=10, statement_timeout=30, lock_timeout=1, use=use)
    with made.snapshot() as snapshot:
        now[0] += 7  # while nobody asks
        snapshot.sensor_ids()
        now[0] += 2
    with made.snapshot() as snapshot:
        now[0] += 3
        snapshot.layout()
    assert (use.transactions, use.longest_seconds, use.longest_idle_seconds) == (2, 9, 7)
    assert use.locks_most >= 5
    assert use.tries_again == 0
    postgres.drop_database("measured")
