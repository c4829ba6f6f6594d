"""The controller's own database shows the controller's jobs, a standby does in time, and a copy never does."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from fixtures.postgres import EmbeddedPostgres
from tests.support.copies import CopiedPostgres
from tests.support.databases import RIGHTS, SCOPE, as_reader, execute, new_database, put_job, put_rows, reading
from tests.support.sealing import filed
from tsse_validation.clients.identity import Anchor
from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.coverage import Scope
from tsse_validation.domain.errors import AccessError, BusyError, NotCheckedError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.polling import poll
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.seals.postgres_sealing import seal_postgres
from tsse_validation.seals.seal import NOT_DUE, Seal

NAME = "controllers"


@pytest.fixture(scope="module")
def origin() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as server:
        put_rows(new_database(server, NAME), ["a", "b"])
        yield server


@pytest.fixture(scope="module")
def standby(origin: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    with CopiedPostgres(origin, standby=True) as server:
        yield server


@pytest.fixture(scope="module")
def clone(origin: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    with CopiedPostgres(origin, standby=False) as server:
        yield server


def client_of(server: EmbeddedPostgres) -> PostgresClient:
    return reading(server.conninfo_for(NAME))


def looked(client: PostgresClient, job_id: str) -> Anchor | None:
    with client.snapshot() as snapshot:
        return snapshot.anchor(job_id)


def seen_of(server: EmbeddedPostgres) -> DatabaseSeen:
    with client_of(server).snapshot() as snapshot:
        return snapshot.database()


def new_job(server: EmbeddedPostgres) -> str:
    job_id = str(uuid.uuid4())
    put_job(server.conninfo_for(NAME), job_id)
    return job_id


def test_the_controllers_database_shows_its_job_at_once(origin: EmbeddedPostgres) -> None:
    assert looked(client_of(origin), str(uuid.uuid4())) is None
    job = new_job(origin)
    anchor = looked(client_of(origin), job)
    assert anchor is not None
    assert anchor.job_id == job


def test_a_standby_shows_it_as_soon_as_it_has_replayed_it(
    origin: EmbeddedPostgres, standby: EmbeddedPostgres
) -> None:
    execute(standby.conninfo, "SELECT pg_wal_replay_pause()")
    job = new_job(origin)
    client = client_of(standby)
    assert looked(client, job) is None
    execute(standby.conninfo, "SELECT pg_wal_replay_resume()")
    assert poll(lambda: looked(client, job), bool, timeout=30, pause=0.05)


def test_a_clone_never_shows_it(origin: EmbeddedPostgres, clone: EmbeddedPostgres) -> None:
    assert looked(client_of(clone), new_job(origin)) is None


def test_what_a_database_says_of_itself_tells_them_apart(
    origin: EmbeddedPostgres, standby: EmbeddedPostgres, clone: EmbeddedPostgres
) -> None:
    own, following, copied = (seen_of(server) for server in (origin, standby, clone))
    assert own.server == f"127.0.0.1:{origin.port}/{NAME}"
    assert own.address == f"127.0.0.1:{origin.port}"
    assert (own.database, own.role, own.tables_in, own.version) == (NAME, "tsse", "public", origin.version)
    assert [seen.standby for seen in (own, following, copied)] == [False, True, False]
    # by it alone a copy cannot be told from its origin
    assert len({own.system_identifier, following.system_identifier, copied.system_identifier}) == 1
    assert own.system_identifier


def _postgres_seal(server: EmbeddedPostgres, scope: Scope = SCOPE) -> Seal:
    return filed(seal_postgres(client_of(server), [scope], now=utc_now))


def test_a_standby_is_sealed_as_the_primary_is_and_says_that_it_is_one(
    origin: EmbeddedPostgres, standby: EmbeddedPostgres
) -> None:
    job = new_job(origin)  # before it has replayed anything a standby does not know how far it is
    assert poll(lambda: looked(client_of(standby), job), bool, timeout=30, pause=0.05)
    of_primary, of_standby = _postgres_seal(origin), _postgres_seal(standby)
    assert of_standby.lines.num_rows == 2
    assert of_standby.lines.equals(of_primary.lines)
    assert of_standby.tables[NOT_DUE].equals(of_primary.tables[NOT_DUE])
    read = of_standby.facts.postgres
    assert read is not None
    assert read.database.standby


def test_a_standby_that_is_behind_the_lakes_watermark_is_not_sealed(
    origin: EmbeddedPostgres, standby: EmbeddedPostgres
) -> None:
    execute(standby.conninfo, "SELECT pg_wal_replay_pause()")
    ahead = Scope(SCOPE.window, replace(SCOPE.coverage, watermark=utc_now() + timedelta(seconds=1)))
    job = new_job(origin)
    with pytest.raises(
        NotCheckedError, match=r"is a standby that has replayed up to .*Wait until it has caught up"
    ):
        _postgres_seal(standby, ahead)
    execute(standby.conninfo, "SELECT pg_wal_replay_resume()")
    assert poll(lambda: looked(client_of(standby), job), bool, timeout=30, pause=0.05)


def test_a_system_identifier_that_the_role_may_not_read_is_not_told(origin: EmbeddedPostgres) -> None:
    database = origin.conninfo_for(NAME)
    execute(database, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    with as_reader(database) as conninfo, reading(conninfo).snapshot() as snapshot:
        assert snapshot.database().system_identifier is None
    execute(database, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")


def test_another_server_that_is_behind_the_first_is_not_read(
    origin: EmbeddedPostgres, standby: EmbeddedPostgres
) -> None:
    execute(standby.conninfo, "SELECT pg_wal_replay_pause()")
    anchor = looked(client_of(origin), new_job(origin))
    client = client_of(standby)
    client.anchor = anchor
    told = pytest.raises(
        NotCheckedError, match=r"another server now, and does not show the job .* Name one server"
    )
    with told, client.snapshot():
        pytest.fail("it was read")
    execute(standby.conninfo, "SELECT pg_wal_replay_resume()")
    assert poll(lambda: looked(client_of(standby), str(anchor and anchor.job_id)), bool, timeout=30, pause=0.05)
    with client.snapshot() as snapshot:  # now it is as good
        assert snapshot.sensor_ids() == ["a", "b"]


def test_a_job_that_was_cleared_away_is_not_missed_on_the_same_server(origin: EmbeddedPostgres) -> None:
    client = client_of(origin)
    job = new_job(origin)
    client.anchor = looked(client, job)
    execute(origin.conninfo_for(NAME), f"DELETE FROM analysis_jobs WHERE id = '{job}'")
    with client.snapshot() as snapshot:
        assert snapshot.sensor_ids() == ["a", "b"]


@pytest.mark.parametrize(
    "rights",
    [
        "GRANT SELECT ON metrics, sensors TO reader",
        "GRANT SELECT ON metrics, sensors TO reader; GRANT SELECT (id, job_type) ON analysis_jobs TO reader",
    ],
)
def test_a_role_that_may_not_see_jobs_proves_nothing(rights: str, origin: EmbeddedPostgres) -> None:
    job = new_job(origin)
    said = r"not proven to be the controller's database: this role .* GRANT SELECT ON analysis_jobs TO"
    with (
        as_reader(origin.conninfo_for(NAME), rights=rights) as conninfo,
        pytest.raises(NotCheckedError, match=said),
    ):
        looked(reading(conninfo), job)


def test_the_rights_that_the_manual_grants_are_enough(origin: EmbeddedPostgres) -> None:
    rights = (
        "GRANT SELECT ON metrics, sensors TO reader;"
        " GRANT SELECT (id, job_type, status, created_at) ON analysis_jobs TO reader"
    )
    with as_reader(origin.conninfo_for(NAME), rights=rights) as conninfo:
        assert looked(reading(conninfo), new_job(origin))


def test_a_policy_that_hides_jobs_is_told(origin: EmbeddedPostgres) -> None:
    database = origin.conninfo_for(NAME)
    execute(database, "ALTER TABLE analysis_jobs ENABLE ROW LEVEL SECURITY")
    try:
        with as_reader(database, rights=RIGHTS) as conninfo:
            client = reading(conninfo)
            with pytest.raises(AccessError, match=r"row-level security policy on public\.analysis_jobs"):
                looked(client, new_job(origin))
            with pytest.raises(AccessError, match="row-level"), client.snapshot() as snapshot:
                snapshot.active_lake_jobs()
    finally:
        execute(database, "ALTER TABLE analysis_jobs DISABLE ROW LEVEL SECURITY")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("DROP TABLE analysis_jobs CASCADE", "there is no table analysis_jobs"),
        (
            "ALTER TABLE analysis_jobs RENAME TO jobs; CREATE VIEW analysis_jobs AS TABLE jobs",
            r"there is no table analysis_jobs \(it is a view\)",
        ),
        (
            "CREATE SCHEMA elsewhere; ALTER TABLE analysis_jobs SET SCHEMA elsewhere",
            "there is no table analysis_jobs",
        ),
    ],
)
def test_jobs_must_stand_beside_the_rows(made: str, said: str, origin: EmbeddedPostgres) -> None:
    conninfo = new_database(origin, "without_jobs")
    execute(conninfo, made)
    with pytest.raises(AccessError, match=said):
        looked(reading(conninfo), str(uuid.uuid4()))
    origin.drop_database("without_jobs")


def test_a_conflict_with_what_a_standby_replays_is_told(
    origin: EmbeddedPostgres, standby: EmbeddedPostgres
) -> None:
    execute(standby.conninfo, "ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()")
    database = origin.conninfo_for(NAME)

    def disturbed() -> None:
        with client_of(standby).snapshot() as snapshot:
            execute(database, "UPDATE sensors SET name = name || 'x'", "VACUUM (FREEZE) sensors")
            with psycopg.connect(database) as connection:
                row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
            assert row is not None
            for _ in range(600):
                snapshot.sensor_ids()
                snapshot._connection.execute("SELECT pg_sleep(0.05)")

    with pytest.raises(BusyError, match=r"in the way of what this standby replays.*hot_standby_feedback"):
        disturbed()
