"""Another date for all that is the suite's own: the controller, a run, and what Postgres takes for now.

``python -m tests.system.faults.elsewhen SECONDS MODULE …`` runs a module, say the reference controller, so many
seconds off the machine's clock; a run is as far off that has this module for a plugin, and the seconds in its
environment.
"""

import os
import runpy
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import time_machine

from tsse_validation.clients import postgres, session

if TYPE_CHECKING:
    from tests.support.controller import Controller

SECONDS = "ELSEWHEN_SECONDS"
MORNING = datetime(2025, 5, 14, 10, tzinfo=UTC)
"""When farms end: far from midnight, from a year's end, and from what is planted at noon."""
TRIAL = MORNING + timedelta(minutes=2)
"""When each trial begins; by then a lane has its lake."""
_TABLES = {
    "sensors": ("created_at", "deleted_at"),
    "metrics": ("ts", "inserted_at"),
    "api_tokens": ("created_at",),
}
_DEFAULTS = """
DO $$ DECLARE told record; BEGIN
  FOR told IN SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_default = 'now()'
  LOOP
    EXECUTE format('ALTER TABLE %%I ALTER %%I SET DEFAULT elsewhen.now()', told.table_name, told.column_name);
  END LOOP;
END $$
"""


def seconds_to(instant: datetime) -> int:
    """Return how far an instant is off the machine's clock, in a process whose own is set already."""
    machine: datetime = time_machine.escape_hatch.datetime.datetime.now(UTC)
    return round((instant - machine).total_seconds())


def travel(instant: datetime) -> time_machine.travel:
    """Set this process's clock; return what has an end."""
    journey = time_machine.travel(instant)
    journey.start()
    # the clock there goes on only from when it is first asked
    datetime.now(UTC)
    return journey


def environment(controller: "Controller") -> Mapping[str, str]:
    """Return what takes a run to where a controller is."""
    return {"PYTEST_PLUGINS": __name__, SECONDS: controller.launcher[-1]}


def set_clocks(controller: "Controller", instant: datetime) -> None:
    """Let Postgres, and the core-server from its next start on, take an instant for now."""
    seconds = seconds_to(instant)
    controller.sql("CREATE SCHEMA IF NOT EXISTS elsewhen")
    for clock in ("now", "clock_timestamp"):
        controller.sql(
            f"CREATE OR REPLACE FUNCTION elsewhen.{clock}() RETURNS timestamptz LANGUAGE sql"
            f" AS $$SELECT pg_catalog.{clock}() + interval '{seconds} s'$$"
        )
    controller.sql(_DEFAULTS)
    controller.sql("ALTER ROLE CURRENT_USER SET search_path = elsewhen, pg_catalog, public")
    controller.launcher = (__name__, str(seconds))


def open_lake(controller: "Controller", instant: datetime) -> None:
    """Let the controller begin anew at an instant, with an empty lake."""
    controller.running.controller.stop()
    shutil.rmtree(controller.paths.hot)
    controller.paths.hot.mkdir()
    set_clocks(controller, instant)
    controller.start_controller()


def take(controller: "Controller", instant: datetime) -> None:
    """Take the whole farm from a trial's instant to another one; its lake is empty then."""
    seconds = round((instant - TRIAL).total_seconds())
    for table, columns in _TABLES.items():
        moved = ", ".join(f"{column} = {column} + interval '{seconds} s'" for column in columns)
        controller.sql(f"UPDATE {table} SET {moved}")
    open_lake(controller, instant)


def _let_postgres_be_elsewhere() -> None:
    """Let this run's sessions find the clocks that were set, before Postgres's own: they fix their search path."""
    held_to = session.search_path
    for module in (session, postgres):
        vars(module)["search_path"] = lambda *schemas: f"elsewhen, {held_to(*schemas)}"


def main() -> None:
    """Go elsewhen, and be the module that is named there."""
    seconds, module = sys.argv[1:3]
    sys.argv[:3] = [module]
    travel(datetime.now(UTC) + timedelta(seconds=int(seconds)))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
elif SECONDS in os.environ:
    travel(datetime.now(UTC) + timedelta(seconds=int(os.environ[SECONDS])))
    _let_postgres_be_elsewhere()
