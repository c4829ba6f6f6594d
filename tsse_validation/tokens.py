"""Who else can read a token file."""

import stat
from pathlib import Path


def others_can_read(path: Path) -> str | None:
    """Return the mode of a file that group or world can read, such as ``0644``, or `None` when they cannot."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:04o}" if mode & (stat.S_IRGRP | stat.S_IROTH) else None
