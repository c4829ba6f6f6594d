"""What pytest itself shows of a run: a line for each step, and each cause once; with `-v` all that pytest has.

Without `-v` and `-q` a step's checks share a line in place of dots, and steps of which nothing could run share one
too. A check that ends in a sentence has no section and no line in pytest's summary: the verdict says it. `--tb=…`
and `-r…` bring them back. A crash always has its section, with its traceback. Where another plugin has replaced
pytest's own reporter, that one shows the checks as it does.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import pytest

from tsse_validation.domain.catalogue import step_name
from tsse_validation.domain.errors import SuiteError
from tsse_validation.pytest_plugin.options import RUN
from tsse_validation.pytest_plugin.ordering import step_of
from tsse_validation.pytest_plugin.recording import ENDED
from tsse_validation.runlog.records import CheckFinished, CheckStatus

SCREEN = pytest.StashKey["Screen"]()
_PYTESTS_OWN = ("rootdir: ", "configfile: ", "testpaths: ", "plugins: ", "baseurl: ")
_DEFAULT_REPORTCHARS = "fE"
"""What pytest's short summary has where no `-r` is given."""
_COUNTED = {
    CheckStatus.FAILED: "failed",
    CheckStatus.UNPROVEN: "not proven",
    CheckStatus.BLOCKED: "blocked",
    CheckStatus.NOT_CHECKED: "left out",
}
"""How many of a step's checks ended so, in the order in which a line says it."""
_NAMED = {CheckStatus.FAILED, CheckStatus.UNPROVEN}


@dataclass
class StepTally:
    """How the checks of one step have ended so far, of as many as are `planned`."""

    step: int
    planned: int
    checks: list[CheckFinished] = field(default_factory=list)

    @property
    def blocked(self) -> bool:
        """Whether nothing of the step could run, for want of an earlier one."""
        return bool(self.checks) and all(check.status is CheckStatus.BLOCKED for check in self.checks)

    @property
    def proven(self) -> int:
        """How many checks are proven."""
        return sum(check.status.proven for check in self.checks)

    @property
    def label(self) -> str:
        """The number and name of the step, as its line begins."""
        return f"step {self.step}  {step_name(self.step) or '':<25}"

    def line(self) -> str:
        """Return how the step has ended: ``step 3  inspect   10 of 12 proven, 1 failed: …, 1 left out``."""
        parts = [f"{self.proven} of {self.planned} proven"]
        counts = Counter(check.status for check in self.checks)
        for status, word in _COUNTED.items():
            if counts[status]:
                parts.append(f"{counts[status]} {word}{self._titles(status)}")
        if warned := counts[CheckStatus.WARNED]:
            parts.append(f"{warned} with a warning")
        if len(self.checks) < self.planned:
            parts.append(f"{self.planned - len(self.checks)} not run")
        return f"{self.label}{', '.join(parts)}"

    def _titles(self, status: CheckStatus) -> str:
        if status not in _NAMED:
            return ""
        titles = list(dict.fromkeys(check.title for check in self.checks if check.status is status))
        return f" ({titles[0]}{' and others' if len(titles) > 1 else ''})"


class StepLines:
    """Says a line for each step as soon as it has ended; steps of which nothing could run share a line."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._planned: Counter[int] = Counter()
        self._tally: StepTally | None = None
        self._blocked: list[StepTally] = []
        self._under_way = False
        self._ours: set[str] = set()

    def plan(self, items: list[pytest.Item]) -> None:
        """Take note of what will run."""
        for item in items:
            if step := step_of(item):
                self._planned[step] += 1
                self._ours.add(item.nodeid)

    def counts(self, node_id: str) -> bool:
        """Whether a line counts this check; at the end pytest's summary names it by the words of its own."""
        return node_id in self._ours

    def begin(self, step: int) -> None:
        """Show, on a terminal, which step is under way and how far."""
        if self._tally is None or self._tally.step != step:
            self.end_step()
            self._tally = StepTally(step, self._planned[step])
        if self._terminal.isatty():
            done = f"{self._tally.label}{len(self._tally.checks)} of {self._tally.planned} …"
            self._terminal.rewrite(done, erase=True)
            self._under_way = True

    def ended(self, check: CheckFinished) -> None:
        """Take note of how a check has ended; the last one of its step ends that."""
        if self._tally is not None:
            self._tally.checks.append(check)
            if len(self._tally.checks) >= self._tally.planned:
                self.end_step()

    def end_step(self) -> None:
        """Say how the step under way has ended, if there is one."""
        self.clear()
        tally, self._tally = self._tally, None
        if tally is not None and tally.blocked:
            self._blocked.append(tally)
        elif tally is not None:
            self._say_blocked()
            failed = any(check.status is CheckStatus.FAILED for check in tally.checks)
            colour = "red" if failed else "green" if tally.proven == tally.planned else "yellow"
            self._terminal.write_line(tally.line(), **{colour: True})

    def finish(self) -> None:
        """Say what is left to say at the end of the session."""
        self.end_step()
        self._say_blocked()
        self._ours.clear()

    def clear(self) -> None:
        """Take away what is shown of the step under way: something else is written there."""
        if self._under_way:
            self._terminal.rewrite("", erase=True)
            self._terminal.write("\r", flush=True)
            self._under_way = False

    def _say_blocked(self) -> None:
        if not self._blocked:
            return
        first, last = self._blocked[0], self._blocked[-1]
        one, several = first.label, f"{f'steps {first.step} to {last.step}':<{len(first.label)}}"
        said = f"{one}not run: it builds" if first is last else f"{several}not run: they build"
        self._terminal.write_line(f"{said} on what is not proven above", yellow=True)
        self._blocked.clear()


class Screen:
    """pytest's terminal as a run uses it; a part of it may be missing, as with `-p no:terminal`."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._capture = config.pluginmanager.getplugin("capturemanager")
        terminal = config.pluginmanager.getplugin("terminalreporter")
        # a reporter of another plugin has its own ways
        self._terminal = terminal if type(terminal) is pytest.TerminalReporter else None
        plain = config.get_verbosity(pytest.Config.VERBOSITY_TEST_CASES) == 0
        self.steps = StepLines(self._terminal) if self._terminal and plain else None
        self._told: set[tuple[str, str | None]] = set()
        self._kept: dict[str, list[object]] = {}
        if self._terminal and self.steps:
            self._terminal.showfspath = False

    @property
    def details(self) -> bool:
        """Whether everything is asked for."""
        return self._config.get_verbosity() > 0

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Open the way to the real terminal, past pytest's capture, at the beginning of a line."""
        with self._capture.global_and_fixture_disabled() if self._capture else nullcontext():
            if self.steps:
                self.steps.clear()
            elif self._terminal:
                self._terminal.ensure_newline()
            yield

    def tells(self, report: pytest.TestReport) -> None:
        """Take note that a report is a sentence which the verdict says too."""
        self._told.add((report.nodeid, report.when))

    def hide(self) -> None:
        """Take what the verdict says out of pytest's own sections."""
        if self._terminal is None or self.details or self._config.option.tbstyle != "auto":
            return
        for outcome in ("failed", "error"):
            reports = self._terminal.stats.get(outcome, [])
            if any(map(self._is_told, reports)):
                self._kept[outcome] = list(reports)
                reports[:] = [report for report in reports if not self._is_told(report)]
                if not reports:
                    del self._terminal.stats[outcome]

    def show(self) -> None:
        """Put back what was hidden: pytest counts it."""
        if self._terminal is not None:
            self._terminal.stats.update(self._kept)
            self._kept.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self) -> None:
        """Let a crash begin on a line of its own."""
        if self.steps:
            self.steps.clear()

    def _is_told(self, report: object) -> bool:
        return (getattr(report, "nodeid", None), getattr(report, "when", None)) in self._told


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Take the terminal, where a run has begun: by now every plugin has put its own in place."""
    config = session.config
    if RUN in config.stash:
        config.stash[SCREEN] = Screen(config)
        config.pluginmanager.register(config.stash[SCREEN])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_report_header(
    config: pytest.Config,
) -> Generator[None, list[str | list[str]], list[str | list[str]]]:
    """Leave out, without `-v`, what pytest says of itself: the report has it."""
    lines = yield
    if SCREEN not in config.stash or config.stash[SCREEN].details:
        return lines
    groups = [[group] if isinstance(group, str) else group for group in lines]
    return [[line for line in group if not line.startswith(_PYTESTS_OWN)] for group in groups]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take note of what will run."""
    screen = session.config.stash.get(SCREEN, None)
    if screen and screen.steps:
        screen.steps.plan(session.items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Show the step under way, and how it has ended."""
    screen, step = item.config.stash.get(SCREEN, None), step_of(item)
    if screen is None or screen.steps is None or step is None:
        return (yield)
    screen.steps.begin(step)
    outcome = yield
    if check := item.stash.get(ENDED, None):
        screen.steps.ended(check)
    return outcome


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take note of the reports that are sentences."""
    report = yield
    screen = item.config.stash.get(SCREEN, None)
    if screen and call.excinfo is not None and isinstance(call.excinfo.value, SuiteError):
        screen.tells(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_report_teststatus(
    report: pytest.TestReport, config: pytest.Config
) -> Generator[None, tuple[str, str, object], tuple[str, str, object]]:
    """Leave out the letter of a check that its step's line counts."""
    category, letter, word = yield
    screen = config.stash.get(SCREEN, None)
    if screen and screen.steps and screen.steps.counts(report.nodeid):
        return category, "", ""
    return category, letter, word


@pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_terminal_summary")
def pytest_hide_what_the_verdict_says(config: pytest.Config) -> Generator[None, object, object]:
    """Leave pytest's sections to crashes, and put back at the end what pytest counts."""
    screen = config.stash.get(SCREEN, None)
    if screen is None:
        return (yield)
    screen.hide()
    try:
        return (yield)
    finally:
        screen.show()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(config: pytest.Config) -> None:
    """Let the short summary have what `-r` asks for."""
    screen = config.stash.get(SCREEN, None)
    if screen and config.option.reportchars != _DEFAULT_REPORTCHARS:
        screen.show()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Say what is left to say of the steps."""
    screen = session.config.stash.get(SCREEN, None)
    if screen and screen.steps:
        screen.steps.finish()
