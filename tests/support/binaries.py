"""Programs that take the place of a core-server: the reference controller, started as a binary of its own."""

import stat
import sys
from pathlib import Path
from textwrap import dedent

REPOSITORY = Path(__file__).parents[2]

_SOURCE = """\
#!{python}
import sys
sys.path.insert(0, {repository!r})
{prelude}
from fixtures.controller.__main__ import main
sys.exit(main())
"""


def controller_binary(directory: Path, prelude: str = "") -> Path:
    """Write an executable that does what `prelude` says and is then the reference controller."""
    path = directory / "core-server-rs"
    source = _SOURCE.format(python=sys.executable, repository=str(REPOSITORY), prelude=dedent(prelude))
    path.write_text(source)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
