import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Runbook


@pytest.fixture
def runbook(tmp_path: Path) -> Iterator[Runbook]:
    """Run the runbook; its stacks lie where every user may pass, as root's PostgreSQL runs as another one."""
    with tempfile.TemporaryDirectory(prefix="tsse-variants-") as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        runbook = Runbook(tmp_path, path)
        yield runbook
        runbook.close()
