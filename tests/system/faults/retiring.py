"""The reference controller at midnight: its first pass after a backfill moves dates to the cold.

What a backfill writes into the hot lake, retention takes out of it as the days go by. Here it does so at once:
``python -m tests.system.faults.retiring --port …``.
"""

import sys
from dataclasses import replace
from datetime import datetime, timedelta

from fixtures.controller import __main__ as controller
from fixtures.controller import housekeeping, replication
from fixtures.controller.lake_store import Lake
from fixtures.controller.state import StateFiles

STAYS = timedelta(days=60)
"""What is older leaves the hot lake; a backfill still writes there what is younger than 90 days."""


def main() -> int:
    """Be that controller."""

    def retire_earlier(lake: Lake, states: StateFiles, now: datetime) -> None:
        housekeeping.retire(replace(lake, retention=STAYS), states, now)

    setattr(replication, "retire", retire_earlier)  # noqa: B010 - no part of what it exports
    return controller.main()


if __name__ == "__main__":
    sys.exit(main())
