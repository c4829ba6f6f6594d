"""Tries of the services that settings lead to: core-server with its tokens, Postgres with its tables, Qdrant."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.clients.qdrant import qdrant_health
from tsse_validation.clients.session_use import SessionUse
from tsse_validation.clients.turn import is_taken
from tsse_validation.clients.watch import ControllerClock
from tsse_validation.domain.contract import POST_BURST, POST_REFILL_SECONDS
from tsse_validation.domain.errors import SettingsError, SuiteError
from tsse_validation.domain.holding import require
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.phrasing import milliseconds
from tsse_validation.runlog.setting_record import TryOutcome
from tsse_validation.settings.credentials import conninfo_of, read_token, token_of
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import DEFAULT
from tsse_validation.steps.attempts import Attempt, Chain, Seen
from tsse_validation.steps.opening import DEFAULT_BASE_URL, NO_TOKEN, core_server, qdrant_server
from tsse_validation.steps.services import hold_core_health, hold_qdrant_health, hold_token_accepted
from tsse_validation.steps.validated_stack import default_qdrant

if TYPE_CHECKING:
    from tsse_validation.clients.identity import DatabaseSurvey


class ControllerTries:
    """Tries the address, and then whether the tokens are let in there; `clock` is the controller's, once met."""

    def __init__(self, settings: Settings, sources: Mapping[str, str]) -> None:
        self.clock: ControllerClock | None = None
        self._settings, self._sources = settings, sources
        self._url = settings.base_url or DEFAULT_BASE_URL
        self._met = False

    def tries(self) -> Chain:
        """Yield them; a token is sent nowhere before a core-server was met."""
        settings = self._settings
        yield self._attempt("base_url", self._url, self._health)
        own = "auth_token" if settings.auth_token is not None else "auth_token_file"
        for name, read in ((own, partial(token_of, settings)), ("view_token_file", partial(_viewer, settings))):
            with suppress(SettingsError):  # which the line of the file tells
                token = read()
                yield self._attempt(name, f"at {self._url}", partial(self._let_in, token))
        yield Attempt("POST budget", "", lambda: self._url, self._budget)

    def _attempt(self, name: str, target: str, look: Callable[[], Seen]) -> Attempt:
        return Attempt(option_of(name), self._sources.get(name, DEFAULT), lambda: target, look)

    def _health(self) -> Seen:
        with core_server(self._settings, NO_TOKEN, tries=1) as core:
            health = core.health()
        self.clock = ControllerClock(health.date)
        hold_core_health(health)
        self._met = True
        version = health.body.get("version") if isinstance(health.body, dict) else None
        said = f"version {str(version)[:40]}" if version else "it tells no version of itself"
        return Seen(f"a core-server, which answers in {milliseconds(health.seconds)}; {said}.")

    def _let_in(self, token: SecretStr) -> Seen:
        if not self._met:
            return Seen("it is not sent there, where no core-server was met.", TryOutcome.UNKNOWN)
        with core_server(self._settings, token, tries=1) as core:
            hold_token_accepted(core)
        return Seen("it is let in, and may look. Whether it may start jobs is not asked: that takes a POST.")

    def _budget(self) -> Seen:
        if is_taken(self._url):
            return Seen(
                "another run of this user backfills there now.",
                TryOutcome.WARNED,
                "A run waits for its end (--active-job-timeout).",
            )
        return Seen(
            "only the answer to a POST tells what is left, and asking would spend one. All callers from this "
            f"address share {POST_BURST}, refilled by one in {POST_REFILL_SECONDS:g} s; a run waits for them.",
            TryOutcome.UNKNOWN,
        )


def _viewer(settings: Settings) -> SecretStr:
    if settings.view_token_file is None:
        raise SettingsError("no view-only token is given.")
    return read_token(settings.view_token_file)


class PostgresTries:
    """Tries the DSN, and then each table; `ahead_of_us_seconds` is how far its clock is ahead, once reached."""

    def __init__(self, settings: Settings, sources: Mapping[str, str], use: SessionUse | None = None) -> None:
        self.ahead_of_us_seconds: float | None = None
        self._settings, self._sources, self._use = settings, sources, use
        self._client: PostgresClient | None = None
        self._found: DatabaseSurvey | None = None

    def tries(self) -> Chain:
        """Yield them; there are none where no DSN is given."""
        name = "setup_config" if self._settings.setup_config else "database_url"
        if getattr(self._settings, name) is None:
            return
        attempt = partial(Attempt, option_of(name), self._sources.get(name, DEFAULT))
        yield attempt(lambda: self._client.where if self._client else "", self._look)
        if self._found is not None:
            for table, flaw in self._found.flaws.items():
                yield attempt(partial(str, f"table {table}"), partial(_of_table, flaw))

    def _look(self) -> Seen:
        self._client = PostgresClient.from_settings(
            require(conninfo_of(self._settings), "the DSN"), self._settings, self._use
        )
        found = self._client.survey()
        self.ahead_of_us_seconds = (found.now - utc_now()).total_seconds()
        self._found = found
        what = "a standby" if found.seen.standby else "a primary"
        return Seen(f"PostgreSQL {found.seen.version}, {what}, read as role {found.seen.role}.")


def _of_table(flaw: SuiteError | None) -> Seen:
    if flaw is not None:
        raise flaw
    return Seen("this role may read it, and no policy hides rows.")


def qdrant_tried(settings: Settings, sources: Mapping[str, str]) -> Chain:
    """Yield the try of Qdrant's health."""
    url = settings.qdrant_url or default_qdrant(settings.base_url or DEFAULT_BASE_URL)

    def look() -> Seen:
        with qdrant_server(settings, url, tries=1) as qdrant:
            health = qdrant_health(qdrant)
        hold_qdrant_health(health)
        return Seen(f"Qdrant, version {health.version}, which answers in {milliseconds(health.seconds)}.")

    yield Attempt(option_of("qdrant_url"), sources.get("qdrant_url", DEFAULT), lambda: url, look)
