"""What all of the suite's own tests share."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

_NOBODY = 65534
# what compares the machine before and after, or shares what is dear to start, is one worker's alone
_ONE_WORKERS = frozenset({"containers", "faults", "harmless"})

# a busy machine makes a test slow, not wrong; and nothing is written beside the sources
settings.register_profile(
    "suite", deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# each mutant meets its tests anew: with few examples, the same for all, and no smaller one for a failure
settings.register_profile(
    "mutation",
    settings.get_profile("suite"),
    max_examples=10,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
# while somebody works; the gate draws them all (pytest --hypothesis-profile=quick)
settings.register_profile("quick", settings.get_profile("suite"), max_examples=25)
# so long a story is worth telling anew wherever somebody can follow it up; a gate must not turn red by chance
settings.register_profile(
    "stateful",
    settings.get_profile("suite"),
    derandomize="CI" in os.environ,
    max_examples=12,
    stateful_step_count=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("suite")

# a shell starts what it runs in the background with SIGINT ignored, and children inherit that: those that these
# tests interrupt must be interruptible, wherever the tests were started from
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep a module together, and some directories, where pytest-xdist deals out the tests to several workers."""
    from xdist.scheduler import LoadScopeScheduling

    class ByPlace(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return next((name for name in module.split("/") if name in _ONE_WORKERS), module)

    return ByPlace(config, log)


@pytest.fixture
def shared_dir() -> Iterator[Path]:
    """Provide a directory that another user may enter, which is not so of pytest's own."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    for directory, names, _files in os.walk(path):
        for name in names:
            Path(directory, name).chmod(0o700)
    shutil.rmtree(path)


@pytest.fixture
def as_another_user() -> Iterator[Callable[[], None]]:
    """Give up root's right to read everything until the test's end; who is not root has no such right."""

    def become() -> None:
        if os.geteuid() == 0:
            os.seteuid(_NOBODY)

    yield become
    if os.getuid() == 0:
        os.seteuid(0)
