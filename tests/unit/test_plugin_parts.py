"""Which options a run cannot be held to, and how what was worst of a check stands."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tsse_validation.domain.errors import LogError, NotAllowedError
from tsse_validation.pytest_plugin.parts import refusals
from tsse_validation.settings.loading import load_settings
from tsse_validation.steps.backfilling import run_backfill
from tsse_validation.steps.run import ValidationRun, begin_run

if TYPE_CHECKING:
    from tsse_validation.clients.jobs import JobRunner
    from tsse_validation.steps.progress import ProgressReporter


class FakeConfig:
    """pytest's configuration, as far as options and keys of its file go."""

    def __init__(
        self, options: Mapping[str, object], keys: Mapping[str, object], plugins: tuple[str, ...]
    ) -> None:
        self.option = Namespace(**options)
        self._keys = keys
        self.pluginmanager = self
        self._plugins = plugins

    def getoption(self, name: str, default: object) -> object:
        return getattr(self.option, name, default)

    def getini(self, name: str) -> object:
        if name not in self._keys:
            raise ValueError(name)
        return self._keys[name]

    def hasplugin(self, name: str) -> bool:
        return name in self._plugins


def told(
    options: Mapping[str, object] | None = None,
    keys: Mapping[str, object] | None = None,
    plugins: tuple[str, ...] = (),
) -> list[str]:
    return list(refusals(cast("pytest.Config", FakeConfig(options or {}, keys or {}, plugins))))


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"reruns": 1}, "--reruns"),
        ({"force_reruns": 2}, "--force-reruns"),
        ({"retries": 1}, "--retries"),
        ({"force_flaky": True}, "--force-flaky"),
        ({"flake_finder_enable": True}, "--flake-finder"),
        ({"count": 2}, "--count"),
        ({"timeout": 60.0}, "--timeout"),
        ({"session_timeout": 60}, "--session-timeout"),
        ({"numprocesses": 2}, "-n (pytest-xdist)"),
        ({"looponfail": True}, "--looponfail"),
        ({"forked": True}, "--forked"),
        ({"workers": "2"}, "--workers"),
        ({"parallel_threads": 4}, "--parallel-threads"),
        ({"setuponly": True}, "--setup-only"),
        ({"setupplan": True}, "--setup-plan"),
        ({"verify_base_url": True}, "--verify-base-url"),
    ],
)
def test_an_option_that_changes_what_an_outcome_means_is_refused(options: dict[str, object], option: str) -> None:
    (line,) = told(options)
    assert line.startswith(f"{option}: ")
    assert line.endswith("; leave it out")


@pytest.mark.parametrize(
    "options", [{}, {"reruns": 0}, {"reruns": None}, {"count": 1}, {"timeout": 0.0}, {"numprocesses": 0}]
)
def test_what_is_off_is_not_refused(options: dict[str, object]) -> None:
    assert told(options) == []
    assert told(keys={"reruns": None, "timeout": "", "retries": 0, "faulthandler_exit_on_timeout": False}) == []


@pytest.mark.parametrize("key", ["reruns", "retries", "timeout", "faulthandler_exit_on_timeout"])
def test_pytests_configuration_is_looked_at_too(key: str) -> None:
    (line,) = told(keys={key: "1"})
    assert key in line


def test_a_timeout_of_the_environment_counts_where_its_plugin_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_TIMEOUT", "5")
    assert told() == []
    assert told(plugins=("timeout",))[0].startswith("PYTEST_TIMEOUT: ")


# ---- once ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ValidationRun]:
    with a_run(tmp_path) as begun:
        yield begun


@contextmanager
def a_run(directory: Path, **given: Any) -> Iterator[ValidationRun]:
    begun = begin_run(load_settings({"report_dir": directory / "reports", **given}, directory), {})
    with closing(begun.log):
        yield begun


def test_a_part_of_a_check_is_done_once(run: ValidationRun) -> None:
    run.hold_once("setup", "one")
    run.hold_once("call", "one")
    run.hold_once("setup", "another")
    with pytest.raises(NotAllowedError, match="has run in this run already"):
        run.hold_once("call", "one")


def test_a_check_in_another_process_is_none_of_this_run(
    run: ValidationRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsse_validation.steps.run.os.getpid", lambda: -1)
    with pytest.raises(NotAllowedError, match="in another process"):
        run.hold_once("setup", "one")


def test_nothing_is_looked_at_once_the_log_is_full(run: ValidationRun) -> None:
    run.log.failure = "The run log could not be written."
    with pytest.raises(LogError):
        run.hold_once("setup", "one")


def test_a_run_starts_one_backfill(run: ValidationRun) -> None:
    run.hold_one_backfill()
    with pytest.raises(NotAllowedError, match="has started its backfill already"):
        run_backfill(run, cast("JobRunner", None), cast("ProgressReporter", None))


def test_the_heal_check_starts_another_and_no_third(tmp_path: Path) -> None:
    with a_run(tmp_path, heal_check=True) as run:
        run.hold_one_backfill()
        run.hold_one_backfill()
        with pytest.raises(NotAllowedError):
            run.hold_one_backfill()
