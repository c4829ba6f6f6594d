"""The first thing that a run does: each setting is tried, written down, and told where it is not right."""

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tsse_validation.domain.errors import LogError
from tsse_validation.domain.phrasing import count_of
from tsse_validation.pytest_plugin.options import RUN
from tsse_validation.runlog.setting_record import SettingTried, TryOutcome
from tsse_validation.steps.doctor import try_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TOLD = {TryOutcome.WARNED, TryOutcome.NOT_OK, TryOutcome.WRONG}
"""What a person should see before the run goes on; the rest is in the report, and here with `-v`."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Try the settings before the first check; none of it changes what a check may say."""
    run = session.config.stash.get(RUN, None)
    if run is None or not session.items:
        return
    tried = try_settings(run.loaded, run.sessions)
    with suppress(LogError):  # the first check ends the run then, and says why
        run.record(*tried)
    terminal = session.config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:
        for line in tried_in_lines(tried, whole=session.config.option.verbose > 0):
            terminal.write_line(run.redactor.redact(line))


def tried_in_lines(tried: "Sequence[SettingTried]", *, whole: bool) -> "Iterator[str]":
    """Yield a line in all, and one for each setting that is not right, or with `whole` for each."""
    told = [one for one in tried if whole or one.outcome in _TOLD]
    amiss = sum(one.outcome in _TOLD for one in tried)
    all_ok = "all ok" if not amiss else f"{amiss} to look at"
    yield f"{count_of(len(tried), 'setting')} tried, {all_ok}"
    yield from (one.in_words for one in told)
