"""Tries of settings, side by side and in bounded time: whatever hangs is told, and keeps nobody."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock, Thread

from tsse_validation.domain.errors import SettingsError, SuiteError
from tsse_validation.runlog.setting_record import SettingTried, TryOutcome
from tsse_validation.settings.files import RUN_AS_OWNER, UnreadableError

LONGEST_SECONDS = 8.0
"""How long all tries may take together."""


@dataclass(frozen=True)
class Seen:
    """What a try has found; `advice` is what to do about it."""

    found: str
    outcome: TryOutcome = TryOutcome.OK
    advice: str = ""


@dataclass(frozen=True)
class Attempt:
    """One try of a setting: `option`, `target` and `source` as in `SettingTried`.

    `look` returns what it has found, or raises what is wrong. `target` is asked for after it.
    """

    option: str
    source: str
    target: Callable[[], str]
    look: Callable[[], Seen]

    def made(self) -> SettingTried:
        """Try it; no error comes out of it."""
        seen = self._seen()
        return self._record(seen)

    def given_up(self, seconds: float) -> SettingTried:
        """Return what is told of a try that has not ended in time."""
        return self._record(
            Seen(
                f"it has not ended after {seconds:g} s.", TryOutcome.NOT_OK, "Does what it leads to still answer?"
            )
        )

    def _record(self, seen: Seen) -> SettingTried:
        return SettingTried(
            option=self.option,
            target=self.target(),
            source=self.source,
            outcome=seen.outcome,
            found=seen.found,
            advice=seen.advice,
        )

    def _seen(self) -> Seen:
        try:
            return self.look()
        except SettingsError as error:
            return Seen(error.message, TryOutcome.WRONG, error.advice)
        except SuiteError as error:
            return Seen(error.message, TryOutcome.NOT_OK, error.advice)
        except UnreadableError as error:
            return Seen(f"{error}.", TryOutcome.NOT_OK, f"{RUN_AS_OWNER.capitalize()}.")
        except ValueError as error:
            return Seen(f"it {error}.", TryOutcome.WRONG)
        except OSError as error:
            return Seen(f"{error.strerror or error}.", TryOutcome.NOT_OK)
        except Exception as error:  # noqa: BLE001 - a try never ends the run: its steps will tell more
            return Seen(f"unexpected {type(error).__name__}.", TryOutcome.NOT_OK, "Please report this.")


Chain = Iterator[Attempt]
"""Tries of which each may build on those before: it is asked for the next when one has ended."""


@dataclass
class _Running:
    """One chain that goes on in a thread of its own, and what it has brought."""

    chain: Chain
    lock: Lock = field(default_factory=Lock)
    tried: list[SettingTried] = field(default_factory=list)
    under_way: Attempt | None = None
    given_up: bool = False

    def run(self) -> None:
        for attempt in self.chain:
            with self.lock:
                if self.given_up:
                    return
                self.under_way = attempt
            made = attempt.made()
            with self.lock:
                self.under_way = None
                if not self.given_up:
                    self.tried.append(made)

    def ended(self, seconds: float) -> list[SettingTried]:
        """Return what was tried, with a line on what goes on still."""
        with self.lock:
            self.given_up = True
            late = [self.under_way.given_up(seconds)] if self.under_way else []
            return [*self.tried, *late]


def try_all(chains: Sequence[Chain], *, longest_seconds: float = LONGEST_SECONDS) -> list[SettingTried]:
    """Run the chains side by side, and return what they have found, in their order.

    What has not ended after `longest_seconds` is left behind: its thread ends with its connection, or the process.
    """
    running = [_Running(chain) for chain in chains]
    threads = [Thread(target=one.run, name="a try of settings", daemon=True) for one in running]
    deadline = time.monotonic() + longest_seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [tried for one in running for tried in one.ended(longest_seconds)]
