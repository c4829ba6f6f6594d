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
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import time_machine

if TYPE_CHECKING:
    from tests.support.controller import Controller

SECONDS = "ELSEWHEN_SECONDS"
MORNING = datetime(2025, 5, 14, 10, tzinfo=UTC)
"""When the first trial begins: far from midnight, from a year's end, and from what is planted at noon."""
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


@cache
def seconds_to(instant: datetime) -> int:
    """Return how far an instant is off the machine's clock, as it was when this was first asked."""
    machine: datetime = time_machine.escape_hatch.datetime.datetime.now(UTC)
    return round((instant - machine).total_seconds())


def environment(instant: datetime) -> Mapping[str, str]:
    """Return what takes a run to an instant."""
    return {"PYTEST_PLUGINS": __name__, SECONDS: str(seconds_to(instant))}


def set_clocks(controller: "Controller", instant: datetime) -> None:
    """Let Postgres, and the core-server from its next start on, take an instant for now."""
    controller.sql("CREATE SCHEMA IF NOT EXISTS elsewhen")
    for clock in ("now", "clock_timestamp"):
        controller.sql(
            f"CREATE OR REPLACE FUNCTION elsewhen.{clock}() RETURNS timestamptz LANGUAGE sql"
            f" AS $$SELECT pg_catalog.{clock}() + interval '{seconds_to(instant)} s'$$"
        )
    controller.sql(_DEFAULTS)
    controller.sql("ALTER ROLE CURRENT_USER SET search_path = elsewhen, pg_catalog, public")
    controller.launcher = (__name__, str(seconds_to(instant)))


def take(controller: "Controller", instant: datetime) -> None:
    """Take a whole farm of this morning to another instant; its lake is empty then."""
    controller.running.controller.stop()
    shutil.rmtree(controller.paths.hot)
    controller.paths.hot.mkdir()
    set_clocks(controller, instant)
    seconds = seconds_to(instant) - seconds_to(MORNING)
    for table, columns in _TABLES.items():
        moved = ", ".join(f"{column} = {column} + interval '{seconds} s'" for column in columns)
        controller.sql(f"UPDATE {table} SET {moved}")
    controller.start_controller()


def main() -> None:
    """Go elsewhen, and be the module that is named there."""
    seconds, module = sys.argv[1:3]
    sys.argv[:3] = [module]
    _travel(int(seconds))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _travel(seconds: int) -> None:
    time_machine.travel(datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC)).start()


if __name__ == "__main__":
    main()
elif SECONDS in os.environ:
    _travel(int(os.environ[SECONDS]))
