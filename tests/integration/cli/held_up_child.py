"""Runs `tsse-validate seal postgres`, and stands still after its first slice until there is a gate.

Takes the gate, and the command's words. Beside the gate a file `begun` says that it stands still.
"""

import sys
from pathlib import Path
from unittest.mock import patch

from tsse_validation.cli import main, seal_postgres_command
from tsse_validation.domain import slicing
from tsse_validation.domain.polling import wait_until

PATIENCE = 90

if __name__ == "__main__":
    gate = Path(sys.argv[1])

    def stand_still(*_: object, **__: object) -> None:
        """Wait for the gate."""
        gate.with_name("begun").touch()
        assert wait_until(gate.exists, seconds=PATIENCE)

    sys.argv = ["tsse-validate", *sys.argv[2:]]
    # so few rows are else read at once, and there is no second slice
    with patch.object(slicing, "FIRST_ROWS", 100), patch.object(seal_postgres_command, "say_day", stand_still):
        main()
