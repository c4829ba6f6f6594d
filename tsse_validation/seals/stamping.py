"""The stamp of a seal: when, where and by what it is made."""

import getpass
import os
import platform
from datetime import datetime

from tsse_validation.seals.seal import Stamp
from tsse_validation.suite_home import suite_version


def stamp_of(now: datetime) -> Stamp:
    """Return the stamp of a seal that this process makes now."""
    return Stamp(made_at=now, host=platform.node(), user=user_name(), suite_version=suite_version())


def user_name() -> str:
    """Return the user that this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return f"uid {os.getuid()}"
