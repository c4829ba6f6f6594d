"""What a run runs on, for who signs it: machine, user, versions, and the commit of the suite's checkout."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from tsse_validation.seals.stamping import user_name
from tsse_validation.suite_home import runbook_home

_GIT_SECONDS = 5
_DESCRIBE = ("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def machine_and_suite() -> Mapping[str, str]:
    """Return names with their values, none of which is a secret; what cannot be told is left out."""
    told = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": str(os.cpu_count()),
        "pytest": version("pytest"),
        "host": platform.node(),
        "user": user_name(),
        "suite commit": commit_of(runbook_home()),
    }
    return {name: value for name, value in told.items() if value}


def commit_of(checkout: Path) -> str:
    """Return the commit of a checkout, with ``-dirty`` where files were changed since, or nothing.

    An installed package lies in no checkout of its own: one around it is somebody else's, and not asked.
    """
    if not (checkout / ".git").exists():
        return ""
    alone = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(checkout), *_DESCRIBE]
    try:
        said = subprocess.run(
            command, capture_output=True, check=True, env=alone, timeout=_GIT_SECONDS, encoding="utf-8"
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip()
