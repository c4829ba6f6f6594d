"""One validation run inside a pytest session: its settings, its log, and what its steps and checks record."""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.identity import Anchor
from tsse_validation.clients.jobs import FinishedJob
from tsse_validation.clients.session_use import SessionUse
from tsse_validation.domain.contract import BackfillResult, Inspection, Job
from tsse_validation.domain.errors import LogError, NotAllowedError, SettingsError
from tsse_validation.domain.holding import hold, need
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.stack import Capability
from tsse_validation.parity.whole_range import RangeCount
from tsse_validation.runlog.database_record import DatabaseSeen
from tsse_validation.runlog.difference_files import DIFFERENCE_NAMES, DifferenceFiles
from tsse_validation.runlog.log import RunLog
from tsse_validation.runlog.records import Note, Record, RunStarted, StackDescribed
from tsse_validation.runlog.redaction import Redactor, is_distinctive
from tsse_validation.runlog.session_record import SessionsUsed
from tsse_validation.settings.credentials import conninfo_of, read_token
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.loading import LoadedSettings
from tsse_validation.steps.blocking import CheckStates
from tsse_validation.steps.helper_told import HelperTold
from tsse_validation.steps.loss_guard import TakenAway, WouldLoseError
from tsse_validation.steps.surroundings import machine_and_suite
from tsse_validation.steps.validated_stack import Stack
from tsse_validation.suite_home import suite_version

LOG_NAME = "run.jsonl"
LOGS = "logs"
"""Where in the run's folder the logs of an own stack's services are."""


@dataclass
class Facts:
    """What earlier steps have found out and later ones build on; `None` until then.

    `healed_to` is the target of the backfill by which `--heal-check` was to heal what differs.
    """

    job_before: Job | None = None
    database: DatabaseSeen | None = None
    anchor: Anchor | None = None
    inspection_before: Inspection | None = None
    inspection_after: Inspection | None = None
    backfill: FinishedJob[BackfillResult] | None = None
    refused: WouldLoseError | None = None
    taken_away: TakenAway | None = None
    healed_to: datetime | None = None
    job_parity: RangeCount | None = None
    backfill_helper: HelperTold | None = None

    @property
    def inspection(self) -> Inspection | None:
        """The lake's last inspection: after the backfill, or before where none was started."""
        return self.inspection_after or self.inspection_before


@dataclass
class ValidationRun:
    """The state of one run; made when pytest is configured, and closed with its verdict."""

    loaded: LoadedSettings
    redactor: Redactor
    directory: Path
    log: RunLog
    absent: Mapping[Capability, str]
    differences: DifferenceFiles = field(init=False)
    facts: Facts = field(default_factory=Facts)
    checks: CheckStates = field(default_factory=CheckStates)
    stack: Stack | None = None
    budget: PostBudget = field(default_factory=lambda: PostBudget(time.monotonic))
    sessions: SessionUse = field(default_factory=SessionUse)
    _known_to_have_ended: set[str] = field(default_factory=set)
    _process: int = field(default_factory=os.getpid)
    _done: set[tuple[str, str]] = field(default_factory=set)
    _backfills: int = 0

    def __post_init__(self) -> None:
        """Name the files of differences; they come with the first comparison of rows."""
        places = [self.directory / name for name in DIFFERENCE_NAMES]
        self.differences = DifferenceFiles(places, self.redactor.redact)

    @property
    def unavailable(self) -> Mapping[Capability, str]:
        """What cannot be looked at, and why: it is absent, or it was given and an earlier check could not.

        Only what is absent excuses a check in the verdict.
        """
        return {**self.checks.lost(), **self.absent}

    @property
    def settings(self) -> Settings:
        """The run's settings."""
        return self.loaded.settings

    def record(self, *records: Record) -> None:
        """Append records to the run log."""
        for record in records:
            self.log.append(record)

    def hold_once(self, what: str, check_id: str) -> None:
        """Hold that a part of a check is done once, by this process, and leaves its evidence.

        Raises NotAllowedError when it was done already; LogError when the log takes nothing any more.
        """
        if self.log.failure:
            raise LogError(self.log.failure, "Nothing more was looked at.")
        if os.getpid() != self._process or (what, check_id) in self._done:
            msg = "This check has run in this run already, or in another process: what failed once has failed."
            raise NotAllowedError(msg, "Leave out the plugin or the option that runs tests again.")
        self._done.add((what, check_id))

    def hold_one_backfill(self) -> None:
        """Hold that a run starts one backfill, with `--heal-check` two; else raises NotAllowedError."""
        if self._backfills >= 1 + self.settings.heal_check:
            msg = "This run has started its backfill already, and starts no other."
            raise NotAllowedError(msg, "Leave out the plugin or the option that runs tests again.")
        self._backfills += 1

    def describe_stack(self, stack: Stack) -> None:
        """Write down what is validated, and make its secrets known to the redactor."""
        self.stack = stack
        self.keep_secrets_of(stack)
        self.record(
            StackDescribed(
                kind=stack.kind,
                base_url=stack.base_url,
                owned=stack.owned,
                strict=stack.owned,
                components=stack.components,
                absent=self.absent,
            )
        )
        if stack.logs:
            self.record(Note(text=f"The logs of the stack's services are beside this report, in {LOGS}/."))

    def keep_secrets_of(self, stack: Stack) -> None:
        """Make a stack's secrets known to the redactor: no log and no report shows them."""
        for secret in (stack.token, stack.view_token, _password(stack.conninfo)):
            if secret is not None:
                self._guard(secret.get_secret_value())

    def record_ended_services(self) -> None:
        """Write down, once, each service of our own stack that does not run any more."""
        for ended in self.stack.ended() if self.stack else ():
            if ended.name not in self._known_to_have_ended:
                self._known_to_have_ended.add(ended.name)
                self.record(ended)

    def _guard(self, secret: str) -> None:
        self.redactor.add(secret)
        if not is_distinctive(secret):
            self.record(
                Note(text="A password is a word or number like any other: no report can be searched for it.")
            )


def sessions_used(use: SessionUse) -> SessionsUsed:
    """Return the record of what a run's sessions have taken of Postgres."""
    return SessionsUsed(
        transactions=use.transactions,
        longest_seconds=round(use.longest_seconds, 3),
        idle_longest_seconds=round(use.longest_idle_seconds, 3),
        locks_most=use.locks_most,
        tries_again=use.tries_again,
    )


def begin_run(
    loaded: LoadedSettings,
    absent: Mapping[Capability, str],
    now: datetime | None = None,
    *,
    program: str = "",
    markers: str = "",
) -> ValidationRun:
    """Create the run's folder and log; `absent` says what of the stack cannot be looked at, and why.

    `program` is the command that begins it, and `markers` what its ``-m`` has chosen.

    Raises OSError when the folder cannot be written.
    """
    began = now or utc_now()
    kind = "live" if loaded.settings.live else str(loaded.settings.stack)
    run_id = f"{began:%Y%m%dT%H%M%SZ}-{kind}-{secrets.token_hex(2)}"
    directory = loaded.settings.report_dir.absolute() / run_id
    redactor = Redactor(_secrets_of(loaded.settings))
    run = ValidationRun(loaded, redactor, directory, RunLog(directory / LOG_NAME, redactor), absent)
    run.record(
        RunStarted(
            run_id=run_id,
            at=began,
            suite_version=suite_version(),
            settings=loaded.shown(),
            environment=machine_and_suite(),
            release_label=loaded.settings.release_label,
            required=loaded.settings.require,
            program=program,
            markers=markers,
        )
    )
    return run


def _secrets_of(settings: Settings) -> Iterator[str]:
    """Yield what the log must never hold, from its first line on; a file without a secret is told by its check."""
    looks: list[Callable[[], SecretStr | None]] = [
        lambda: settings.auth_token,
        lambda: _password(conninfo_of(settings)),
        *(partial(read_token, path) for path in (settings.auth_token_file, settings.view_token_file) if path),
    ]
    for look in looks:
        with suppress(SettingsError):
            if secret := look():
                yield secret.get_secret_value()


def _password(conninfo: SecretStr | None) -> SecretStr | None:
    password = conninfo_to_dict(conninfo.get_secret_value()).get("password") if conninfo else None
    return SecretStr(str(password)) if password else None


class Check:
    """The evidence of one check; what is recorded is in the run log at once."""

    def __init__(self, run: ValidationRun) -> None:
        self._run = run
        self.facts: dict[str, str] = {}
        self.warnings: list[str] = []

    def fact(self, name: str, value: object) -> None:
        """State a measurement, in words and with its unit."""
        self.facts[name] = str(value)

    def warn(self, text: str) -> None:
        """State a flaw that does not fail the check."""
        self.warnings.append(text)

    def record(self, *records: Record) -> None:
        """Append records to the run log."""
        self._run.record(*records)

    needs = staticmethod(need)
    that = staticmethod(hold)
