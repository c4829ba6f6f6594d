"""Which of pytest's sessions validate, the parts that one needs, and the options that it cannot be held to."""

import os
from collections.abc import Iterator

import pytest

from tsse_validation.suite_home import RUNBOOK_DIR, checkout_around, runbook_home

_PACKAGE = "tsse_validation.pytest_plugin"
PARTS = tuple(
    f"{_PACKAGE}.{name}" for name in ("command_line", "options", "dry_run", "ordering", "asked_for", "collecting")
)
"""The plugin's modules that any session of pytest loads, in this order: the options come first."""
RUN_PARTS = tuple(
    f"{_PACKAGE}.{name}"
    for name in (
        "starting",
        "recording",
        "last_words",
        "console",
        "resources",
        "parity_fixtures",
        "seal_fixtures",
        "conformance_fixtures",
        "failure_fixtures",
        "helper_fixtures",
        "soak_fixtures",
    )
)
"""The modules that only a run needs, in this order: a session that collects is spared what they import."""

_ONCE = "a check runs once: what failed has failed, and a second try may start a second backfill"
_WHOLE = "it ends a check or the process in the middle of a job; --backfill-timeout and --job-timeout bound a run"
_NOTHING = "nothing would be proven"
_TOGETHER = "the runbook's steps run in order, in one process"
_REFUSED: tuple[tuple[str, str, str], ...] = (
    ("--reruns", "reruns", _ONCE),
    ("--force-reruns", "force_reruns", _ONCE),
    ("--retries", "retries", _ONCE),
    ("--force-flaky", "force_flaky", _ONCE),
    ("--flake-finder", "flake_finder_enable", _ONCE),
    ("--count", "count", _ONCE),
    ("--timeout", "timeout", _WHOLE),
    ("--session-timeout", "session_timeout", _WHOLE),
    ("faulthandler_exit_on_timeout", "faulthandler_exit_on_timeout", _WHOLE),
    ("-n (pytest-xdist)", "numprocesses", _TOGETHER),
    ("--looponfail", "looponfail", _TOGETHER),
    ("--forked", "forked", _TOGETHER),
    ("--workers", "workers", _TOGETHER),
    ("--tests-per-worker", "tests_per_worker", _TOGETHER),
    ("--parallel-threads", "parallel_threads", _TOGETHER),
    ("--setup-only", "setuponly", _NOTHING),
    ("--setup-plan", "setupplan", _NOTHING),
    ("--verify-base-url", "verify_base_url", "it sends what is no call of the runbook"),
)
"""Options of pytest and of common plugins, with the names of their values, that change what an outcome means."""
_OFF: dict[str, tuple[object, ...]] = {"count": (1,), "parallel_threads": (1, "1")}
_SHOWING_FIXTURES = ("showfixtures", "show_fixtures_per_test")
_SHOWING = ("help", "markers", "cacheshow", *_SHOWING_FIXTURES)


def runs_the_runbook(config: pytest.Config) -> bool:
    """Whether this session validates: it is asked for the runbook, or for nothing in particular."""
    here = config.invocation_params.dir
    homes = {config.rootpath, runbook_home(), checkout_around(here)}
    runbooks = {(home / RUNBOOK_DIR).resolve() for home in homes if home is not None}
    paths = [(here / argument.split("::", 1)[0]).resolve() for argument in config.args]
    return any(
        path == runbook or runbook in path.parents or path in runbook.parents
        for path in paths
        for runbook in runbooks
    )


def only_shows(config: pytest.Config) -> bool:
    """Whether pytest is asked for its help, or for a list of what there is, and will run nothing."""
    return any(config.getoption(name, None) for name in _SHOWING)


def shows_fixtures(config: pytest.Config) -> bool:
    """Whether pytest is asked for a list of the fixtures, ours among them."""
    return any(config.getoption(name, None) for name in _SHOWING_FIXTURES)


def load_run_parts(config: pytest.Config) -> None:
    """Load the modules that only a run needs."""
    for name in RUN_PARTS:
        config.pluginmanager.import_plugin(name)


def hold_together(config: pytest.Config) -> None:
    """Hold that a session that validates has all parts of the plugin, and pytest's own that they build on.

    Raises pytest.UsageError otherwise: outcomes would be taken for pytest's own, and no verdict be reached.
    """
    if not runs_the_runbook(config) or only_shows(config):
        return
    missing = [name for name in PARTS if not config.pluginmanager.hasplugin(name)]
    missing += [name for name in RUN_PARTS if config.pluginmanager.is_blocked(name)]
    if not hasattr(config.option, "base_url"):
        missing.append("base_url")
    if missing:
        named = ", ".join(missing)
        msg = f"the runbook cannot do without {named}: leave out --noconftest, --confcutdir and -p no:…"
        raise pytest.UsageError(msg)


def refusals(config: pytest.Config) -> Iterator[str]:
    """Yield a line for each option that is set and that a run cannot be held to."""
    for option, name, reason in _REFUSED:
        value = _set(config, name)
        if value and value not in _OFF.get(name, ()):
            yield f"{option}: {reason}; leave it out"
    if os.environ.get("PYTEST_TIMEOUT") and config.pluginmanager.hasplugin("timeout"):
        yield f"PYTEST_TIMEOUT: {_WHOLE}; leave it out"
    if hasattr(config, "workerinput"):
        yield f"pytest-xdist: {_TOGETHER}; leave it out"


def _set(config: pytest.Config, name: str) -> object:
    """Return what an option or, where that is not given, a key of pytest's configuration says."""
    if value := config.getoption(name, None):
        return value
    try:
        said = config.getini(name)
    except ValueError:
        return None
    return None if str(said).strip() in {"", "0", "0.0", "False", "false"} else said
