"""Whose database a run is led to, by which role, and what that role's settings and rights show of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg.conninfo import make_conninfo

from fixtures.farm import Role
from tests.support.controller import Controller, days_ago
from tests.support.copies import CopiedPostgres
from tests.support.damage import lake_file
from tests.support.databases import READER, RIGHTS, as_reader, execute, new_database, put_rows
from tests.system.faults.beside import INSERT
from tests.system.faults.logic import late_instants, more_sensors
from tests.system.faults.model import LOOK_ONLY, LOST, SPOT, Benign, Fault, Front, Place, nothing
from tsse_validation.domain.outcome import Outcome

ANSWERS = ("postgres_answers_a_query",)
OWN = ("database_is_the_controllers",)
_SOON = (*LOOK_ONLY, "--settle-timeout=3")
_CLOCKS = f"GRANT USAGE ON SCHEMA elsewhen TO {READER}"
_SECOND = f"CREATE SCHEMA IF NOT EXISTS second; GRANT USAGE ON SCHEMA second TO {READER}"
_SECOND_FIRST = f"ALTER ROLE {READER} SET search_path = second, public"
STRANGE_IDS = (
    "two\nlines",
    "\r",
    "a\r\nb",
    "\ufeff",
    "\ufeffmark",
    "\\N",
    "\\.",
    '"',
    "e\u0301",
    "\u00e9",
    "🌡",
    "x" * 24,
)


@contextmanager
def _led_to(controller: Controller, conninfo: str) -> Iterator[str]:
    controller.led_to = conninfo
    try:
        yield controller.url
    finally:
        controller.led_to = None


def read_as_a_role(*statements: str, after: tuple[str, ...] = (), rights: str = RIGHTS) -> Front:
    """Let the run read by a role of its own, after some statements; others take back what they did."""

    @contextmanager
    def front(controller: Controller) -> Iterator[str]:
        try:
            with (
                as_reader(controller.conninfo, _CLOCKS, *statements, rights=rights) as conninfo,
                _led_to(controller, conninfo) as url,
            ):
                yield url
        finally:
            execute(controller.conninfo, *after)

    return front


def on_a_copy(*, standby: bool, paused: bool = False) -> Front:
    """Lead the run to a copy of the server, which follows it or does not, or has stopped following."""

    @contextmanager
    def front(controller: Controller) -> Iterator[str]:
        with CopiedPostgres(controller.postgres, standby=standby) as copy:
            if paused:
                execute(copy.conninfo, "SELECT pg_wal_replay_pause()")
            with _led_to(controller, make_conninfo(controller.conninfo, port=copy.port)) as url:
                yield url

    return front


@contextmanager
def _on_another_database(controller: Controller) -> Iterator[str]:
    # a lane's role finds other clocks first, in schemas that no table is to be made in
    conninfo = new_database(controller.postgres, "another", options="-c search_path=public")
    put_rows(conninfo, [controller.sensor()])
    with _led_to(controller, conninfo) as url:
        yield url
    controller.postgres.drop_database("another")


def _lose_a_file(controller: Controller) -> None:
    lake_file(controller, controller.sensor(), days_ago(5)).unlink()


def _strange_ids(controller: Controller) -> None:
    for number, strange in enumerate(STRANGE_IDS):
        more_sensors(controller, "strange", "(VALUES (%s)) ids (strange)", strange)
        controller.sql(INSERT + "VALUES (%s, %s, 1, 0, now())", strange, late_instants(number + 1)[number])


def _unlisted(controller: Controller) -> None:
    sensor = controller.sensor(Role.SPARSE)
    controller.sql("DELETE FROM sensors WHERE sensor_id = %s", sensor)


def _policy(table: str, rule: str = "false") -> tuple[tuple[str, ...], tuple[str, ...]]:
    made = (f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", f"CREATE POLICY tenants ON {table} USING ({rule})")
    return made, (f"DROP POLICY tenants ON {table}", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def _whose(
    name: str,
    models: str,
    red: tuple[str, ...],
    front: Front,
    says: str,
    plant: Callable[[Controller], object] = nothing,
) -> Fault:
    made = Fault(
        name, Place.DATABASE, models, red, plant, verdict=Outcome.INCOMPLETE, front=front, arguments=_SOON
    )
    return made.told(says=says)


_HIDES_ROWS, _SHOWS_ROWS = _policy("metrics", "sensor_id < 'b'")
_HIDES_JOBS, _SHOWS_JOBS = _policy("analysis_jobs")
_DROP_SECOND = ("DROP SCHEMA second CASCADE",)
FAULTS = (
    _whose("the DSN leads to a clone", "a copy for tests", OWN, on_a_copy(standby=False), "not the controller's"),
    _whose("the DSN leads to another database", "a typo", OWN, _on_another_database, "not the controller's"),
    Fault(
        "the DSN leads to a standby that stands still",
        Place.DATABASE,
        "a replica that was forgotten, and a file that is lost",
        (*OWN, SPOT),
        _lose_a_file,
        front=on_a_copy(standby=True, paused=True),
        arguments=(*LOOK_ONLY, "--settle-timeout=30"),
    ).told("counts differ", says="or a standby that stands still"),
    Fault(
        "a file is lost, seen from a standby",
        Place.DATABASE,
        "a replica that spares the primary",
        LOST,
        _lose_a_file,
        front=on_a_copy(standby=True),
    ).told("shard missing"),
    _whose(
        "a view is called metrics",
        "a reporting schema",
        ANSWERS,
        read_as_a_role(_SECOND, "CREATE VIEW second.metrics AS TABLE metrics", _SECOND_FIRST, after=_DROP_SECOND),
        "second.metrics, a view",
    ),
    _whose(
        "a second metrics comes first",
        "a schema of yesterday's",
        ANSWERS,
        read_as_a_role(_SECOND, "CREATE TABLE second.metrics (LIKE metrics)", _SECOND_FIRST, after=_DROP_SECOND),
        "no sensors beside it",
    ),
    _whose(
        "a policy hides sensors from the reader",
        "a farm with tenants",
        ANSWERS,
        read_as_a_role(*_HIDES_ROWS, after=_SHOWS_ROWS),
        "row-level security policy (tenants) on public.metrics",
    ),
    _whose(
        "a policy hides jobs from the reader",
        "a farm with tenants",
        OWN,
        read_as_a_role(*_HIDES_JOBS, after=_SHOWS_JOBS),
        "row-level security policy (tenants) on public.analysis_jobs",
    ),
    _whose(
        "the reader may not read a column",
        "rights that were given by column",
        ANSWERS,
        read_as_a_role(
            f"REVOKE SELECT ON metrics FROM {READER}", f"GRANT SELECT (sensor_id, ts) ON metrics TO {READER}"
        ),
        "(value, quality and inserted_at)",
    ),
)

_BENT = (
    "TimeZone = 'Europe/Berlin'",
    "DateStyle = 'SQL, DMY'",
    "extra_float_digits = -15",
    "client_encoding = 'LATIN1'",
    "standard_conforming_strings = off",
    "row_security = on",
    "statement_timeout = '7s'",
    "default_transaction_isolation = 'serializable'",
)
_DROP_KEY = "ALTER TABLE metrics DROP CONSTRAINT metrics_sensor_id_fkey"
_ADD_KEY = (
    "DELETE FROM metrics WHERE sensor_id NOT IN (SELECT sensor_id FROM sensors)",
    "ALTER TABLE metrics ADD CONSTRAINT metrics_sensor_id_fkey FOREIGN KEY (sensor_id) REFERENCES sensors",
)


@contextmanager
def _without_the_key(controller: Controller) -> Iterator[str]:
    execute(controller.conninfo, _DROP_KEY)
    try:
        _unlisted(controller)
        yield controller.url
    finally:
        execute(controller.conninfo, *_ADD_KEY)


BENIGN = (
    Benign("the run reads a standby", "a replica that spares the primary", during=on_a_copy(standby=True)),
    Benign("the zone is set where the suite runs", "an operator in Berlin", environment={"PGTZ": "Europe/Berlin"}),
    Benign(
        "the reader's role is set up otherwise",
        "a role with a past",
        during=read_as_a_role(*(f"ALTER ROLE {READER} SET {setting}" for setting in _BENT)),
    ),
    Benign(
        "a policy that does not filter for the reader",
        "a farm with tenants, and a role that sees all",
        during=read_as_a_role(*_HIDES_ROWS, f"ALTER ROLE {READER} BYPASSRLS", after=_SHOWS_ROWS),
    ),
    Benign(
        "ids of line ends, marks and escapes",
        "hand-made sensors",
        _strange_ids,
        arguments=("--level=rows", "--sample=30"),
    ),
    Benign(
        "sensors does not list a sensor",
        "a sensor's row was deleted, and no key held it",
        during=_without_the_key,
        explained=("not in sensors",),
    ),
)
