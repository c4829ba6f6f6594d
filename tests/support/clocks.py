"""The present, where a test has it stand still."""

from datetime import datetime

import time_machine

from tsse_validation.domain.instants import parse_rfc3339


def frozen(at: datetime | str) -> time_machine.travel:
    """Let this process's clock stand at an instant, or at an RFC 3339 text; a context manager or decorator."""
    return time_machine.travel(parse_rfc3339(at) if isinstance(at, str) else at, tick=False)
