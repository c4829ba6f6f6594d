"""Another date for all that is the suite's own: the controller, a run, and what Postgres takes for now.

``python -m tests.system.faults.elsewhen SECONDS --port …`` is the reference controller so many seconds off the
machine's clock; a run is as far off that has this module for a plugin, and the seconds in `SECONDS` of its
environment.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import time_machine

if TYPE_CHECKING:
    from tests.support.controller import Controller

SECONDS = "ELSEWHEN_SECONDS"
_TABLES = {
    "sensors": ("created_at", "deleted_at"),
    "metrics": ("ts", "inserted_at"),
    "api_tokens": ("created_at",),
}


def _travel(seconds: int) -> None:
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds)).start()


def seconds_to(instant: datetime) -> int:
    """Return how far an instant is off the machine's clock."""
    return round((instant - datetime.now(UTC)).total_seconds())


def environment(seconds: int) -> Mapping[str, str]:
    """Return what takes a run elsewhen."""
    return {"PYTEST_PLUGINS": __name__, SECONDS: str(seconds)}


def take(controller: "Controller", seconds: int) -> None:
    """Take the whole farm elsewhen; its lake is empty then."""
    controller.running.controller.stop()
    shutil.rmtree(controller.paths.hot)
    controller.paths.hot.mkdir()
    for table, columns in _TABLES.items():
        moved = ", ".join(f"{column} = {column} + interval '{seconds} s'" for column in columns)
        controller.sql(f"UPDATE {table} SET {moved}")
    controller.sql("CREATE SCHEMA IF NOT EXISTS elsewhen")
    for clock in ("now", "clock_timestamp"):
        controller.sql(
            f"CREATE OR REPLACE FUNCTION elsewhen.{clock}() RETURNS timestamptz LANGUAGE sql"
            f" AS $$SELECT pg_catalog.{clock}() + interval '{seconds} s'$$"
        )
    ((database,),) = controller.sql("SELECT current_database()")
    controller.sql(f"ALTER DATABASE {database} SET search_path = elsewhen, pg_catalog, public")
    controller.start_controller(__name__, str(seconds))


def main() -> NoReturn:
    """Go elsewhen, and be the controller."""
    from fixtures.controller import __main__ as controller

    _travel(int(sys.argv.pop(1)))
    sys.exit(controller.main())


if __name__ == "__main__":
    main()
elif SECONDS in os.environ:
    _travel(int(os.environ[SECONDS]))
