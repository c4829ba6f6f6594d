"""What all of the suite's own tests share."""

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

_NOBODY = 65534
# what compares the machine before and after, or shares what is dear to start, is one worker's alone; and it begins
# first, for who is dealt so much late ends late
_ONE_WORKERS = ("faults", "harmless", "containers")
_FIRST = (*_ONE_WORKERS, "system")
_LEFT_OUT = pytest.StashKey[Counter[str]]()

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest begin first, so that several workers end together."""
    items.sort(key=lambda item: next((n for n, name in enumerate(_FIRST) if name in item.path.parts), len(_FIRST)))


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count what `-m` leaves out, by directory; what is run in several workers is counted in each."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.config.stash.setdefault(_LEFT_OUT, Counter())[item.path.parent.name] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker tell its master."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash.get(_LEFT_OUT, {}))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take one worker's count: each has collected all tests."""
    node.config.stash[_LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say in one line what was left out for the time it takes."""
    if left := config.stash.get(_LEFT_OUT, None):
        by_place = ", ".join(f"{name} {number}" for name, number in sorted(left.items()))
        terminalreporter.write_line(f"{left.total()} tests are left to `tox -e nightly-tests`: {by_place}.")


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
