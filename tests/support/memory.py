"""How much memory a process took."""

import resource
from pathlib import Path


def peak_bytes() -> int:
    """Return the most memory that this process ever had resident.

    On Linux not `ru_maxrss`: that one survives exec, and would be at least what the parent had.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
