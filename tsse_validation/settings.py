"""One typed settings object for the test suite and the command-line helpers.

Precedence: command line > environment (`TSSE_…`) > `tsse-validation.toml` > default. Every value knows where it
came from, and a secret's value is never shown. Bad values are refused together, before anything is contacted.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from platformdirs import user_cache_path
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tsse_validation.contract import BACKLOG_GATE_SECONDS
from tsse_validation.errors import SettingsError
from tsse_validation.timestamps import Instant

ENV_PREFIX = "TSSE_"
TOML_NAME = "tsse-validation.toml"
COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DEFAULT = "default"


_ALTERNATIVES = ({"auth_token", "auth_token_file"}, {"database_url", "setup_config"})
"""Settings of which one is given: a later source's replaces an earlier one's."""
_IMAGE_NAME = re.compile(r"[a-z0-9][\w.:/@-]*")
_IMAGES = ("postgres_image", "qdrant_image", "core_image", "base_image")


def _http_url(url: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("is not a URL: there is a space or a control character in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # the reason that urllib gives quotes what it took for host or port, which may be a password
        raise ValueError("is not a URL: its host or port cannot be understood") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be an http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user or password: give the token by --auth-token-file")
    if parts.query or parts.fragment:
        raise ValueError("must not carry a query or fragment")
    return url.rstrip("/")


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _conninfo(value: SecretStr) -> SecretStr:
    """Check a DSN or `service=…` and return it as libpq understands it (contract section 1)."""
    text = re.sub(r"^postgresql\+psycopg://", "postgresql://", value.get_secret_value())
    try:
        parameters = conninfo_to_dict(text)
    except ProgrammingError:
        # libpq's own message quotes the string, password and all
        raise ValueError("is not a libpq DSN, URL or service=NAME") from None
    if not parameters:
        raise ValueError("is empty")
    return SecretStr(make_conninfo("", **parameters))


def _token(value: SecretStr) -> SecretStr:
    """Refuse a token that no HTTP header can carry; an empty one counts as none."""
    if value and not _is_token(value.get_secret_value()):
        raise ValueError("is not a token")
    return value


def _is_token(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("is not a file that can be found")
    if not os.access(path, os.R_OK):
        raise ValueError("is not readable by this user")
    return path


def _image_name(name: str) -> str:
    if not _IMAGE_NAME.fullmatch(name):
        raise ValueError("is not the name of an image, as in registry.example/team/name:tag")
    return name


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Token = Annotated[SecretStr, AfterValidator(_token)]
Conninfo = Annotated[SecretStr, AfterValidator(_conninfo)]
LocalPath = Annotated[Path, AfterValidator(Path.expanduser)]
ReadableFile = Annotated[LocalPath, AfterValidator(_existing_file)]
ImageName = Annotated[str, AfterValidator(_image_name)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
Seconds = Annotated[float, Field(gt=0, le=7 * 86_400)]


class Level(StrEnum):
    """How much is compared: counts prove little, digests all but one in 2⁶⁴ faults, rows all."""

    COUNT = "count"
    DIGEST = "digest"
    ROWS = "rows"


class StackKind(StrEnum):
    """What a stack of our own runs on: processes of this machine, or containers."""

    EMBEDDED = "embedded"
    CONTAINERS = "containers"


class Settings(BaseSettings):
    """Everything that can be set; each field is a command-line option of the same name."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    base_url: HttpUrl | None = Field(
        None, description="core-server of a live controller; without it, a stack of our own (--stack)"
    )
    qdrant_url: HttpUrl | None = Field(None, description="Qdrant; live default: port 6333 of the --base-url host")
    skip_qdrant: bool = Field(False, description="do not look at Qdrant (the verdict is then INCOMPLETE)")
    auth_token_file: ReadableFile | None = Field(None, description="file with the API token on its first line")
    auth_token: Token | None = Field(
        None, description="the API token itself: others can read it in the process list, prefer --auth-token-file"
    )
    view_token_file: ReadableFile | None = Field(None, description="file with a token that has analysis.view only")
    database_url: Conninfo | None = Field(
        None, description="Postgres as a DSN, URL or service=NAME; passwords by PGPASSFILE or PGSERVICEFILE"
    )
    setup_config: ReadableFile | None = Field(
        None, description="the controller's setup config JSON, for its database_url"
    )
    hot_path: LocalPath | None = Field(None, description="the lake's hot directory, where it is readable here")
    cold_path: LocalPath | None = Field(None, description="the lake's cold directory, where it is readable here")
    shards: int = Field(16, ge=1, le=100, description="shards of the lake")
    hot_retention_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="days that the hot lake keeps; older dates are deleted where no cold path is",
    )
    require_direct: bool = Field(False, description="without direct access to Postgres and lake, INCOMPLETE")
    ca_file: ReadableFile | None = Field(None, description="CA certificates (PEM) to trust for https")

    backfill_days: int = Field(90, ge=1, le=365, description="days that step 4 backfills; the gate asks for 90")
    cancel_on_interrupt: bool = Field(
        False, description="cancel our own backfill when the run is interrupted (else it goes on, and is named)"
    )
    skip_backfill: bool = Field(False, description="do not backfill (the verdict is then INCOMPLETE)")
    sensor_ids: CommaList = Field((), description="sensors of the parity job, comma-separated; default: a sample")
    sample: int = Field(5, ge=1, le=10_000, description="how many sensors the parity job samples")
    window_start: Instant | None = Field(None, description="start of the parity window, RFC 3339")
    window_end: Instant | None = Field(None, description="end of the parity window, RFC 3339")
    level: Level = Field(
        Level.DIGEST,
        description="how step 6 compares: count, digest (rows where it differs) or rows (all of them)",
    )
    resume: ReadableFile | None = Field(
        None, description="run.jsonl of a run that was interrupted: what it proved by digest is taken over"
    )
    heal_check: bool = Field(
        False, description="where rows differ, backfill again and tell what healed from a replication bug"
    )
    max_windows: int = Field(240, ge=0, le=100_000, description="random windows counted directly in step 7")
    max_job_windows: int = Field(6, ge=0, le=50, description="random windows counted by the parity job in step 7")
    window_seed: int = Field(
        20_260_124, ge=0, description="seed of the random windows: the same seed, the same windows"
    )

    connect_timeout: Seconds = Field(5, description="seconds to connect to a service")
    request_timeout: Seconds = Field(30, description="seconds an HTTP answer may take")
    job_timeout: Seconds = Field(300, description="seconds an inspect, tick or parity job may take")
    backfill_timeout: Seconds = Field(4 * 3600, description="seconds the backfill job may take")
    active_job_timeout: Seconds = Field(
        900, description="seconds to wait for another active lake job before the backfill is started"
    )
    poll_interval: Seconds = Field(5, description="longest pause between two polls of a job, seconds")
    statement_timeout: Seconds = Field(120, description="seconds a statement may run in Postgres")
    postgres_workers: int = Field(
        0, ge=0, le=16, description="parallel workers that a statement may take in Postgres: the default is gentle"
    )
    lock_timeout: Seconds = Field(2, description="seconds a statement may wait for a lock in Postgres")
    settle_timeout: Seconds = Field(
        600, description="seconds to wait for replication to pass a point, before a late row is called a fault"
    )
    watermark_max_age: Seconds = Field(
        BACKLOG_GATE_SECONDS + 120,
        description="oldest watermark that is recent, seconds: lag guard up to 300, interval 60, slack 60",
    )

    stack: StackKind = Field(
        StackKind.EMBEDDED, description="stack of our own: embedded (processes) or containers (Docker)"
    )
    postgres_image: ImageName = Field(
        "timescale/timescaledb:2.17.2-pg16", description="image of Postgres for --stack containers"
    )
    qdrant_image: ImageName = Field("qdrant/qdrant:v1.12.4", description="image of Qdrant for --stack containers")
    core_image: ImageName | None = Field(
        None,
        description="core-server's image for --stack containers; without it, the reference controller is built",
    )
    base_image: ImageName = Field(
        "python:3.11-slim-bookworm", description="image that the reference controller's is built upon"
    )
    core_binary: ReadableFile | None = Field(None, description="core-server executable for the embedded stack")
    farm_sensors: int = Field(40, ge=6, le=2_000, description="sensors of the embedded stack's farm")
    farm_rows: int = Field(
        1_000_000, ge=1_000, le=50_000_000, description="rows of the embedded stack's farm, about"
    )
    farm_seed: int = Field(1, ge=0, description="seed of the embedded stack's farm")
    keep_stack: bool = Field(False, description="leave the embedded stack running after the run")
    stack_timeout: Seconds = Field(120, description="seconds a service of the embedded stack may take to start")
    report_dir: LocalPath = Field(Path("reports"), description="directory that gets a folder for each run")
    step_summary: LocalPath | None = Field(
        None, description="file that a summary in Markdown is added to; default: what GITHUB_STEP_SUMMARY names"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `load_settings` has gathered, so that each value's source is known."""
        return (init_settings,)

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        if self.window_start and self.window_end and self.window_end < self.window_start:
            raise ValueError("--window-end must be after --window-start")
        if self.auth_token and self.auth_token_file:
            raise ValueError("give --auth-token-file or the token itself, not both")
        if self.database_url and self.setup_config:
            raise ValueError("give --database-url or --setup-config, not both")
        return self

    @property
    def live(self) -> bool:
        """Whether an installed controller is validated, on which nothing may be harmed."""
        return self.base_url is not None


@dataclass(frozen=True)
class SourcedValue:
    """One setting as the report shows it."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class LoadedSettings:
    """The settings with the source of each, and what the user should know about them."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]

    def shown(self) -> tuple[SourcedValue, ...]:
        """Return every setting with its source; a secret only as set or not set."""
        return tuple(
            SourcedValue(name, _shown(getattr(self.settings, name)), self.sources.get(name, DEFAULT))
            for name in Settings.model_fields
        )


def load_settings(command_line: Mapping[str, Any], directory: Path, *, for_run: bool = True) -> LoadedSettings:
    """Gather the settings from all sources.

    `command_line` holds what was given there, by field name; `directory` is where `tsse-validation.toml` may be.
    `for_run` says that they are for a run of the runbook, on a live controller or on an embedded stack; a helper
    command needs only some of them.

    Raises:
        SettingsError: a value is wrong; the message has one line for each.

    """
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, values in _layers(command_line, directory):
        for alternatives in _ALTERNATIVES:
            if (
                alternatives & values.keys()
            ):  # a token of the command line stands for a token file of the environment
                merged = {name: value for name, value in merged.items() if name not in alternatives}
        merged.update(values)
        sources.update(dict.fromkeys(values, source))
    # the controller's own variable, but never for a stack that loads a farm into the database it is given
    own_url = os.environ.get("CORE_DATABASE_URL")
    if own_url and merged.get("base_url") and not {"database_url", "setup_config"} & set(merged):
        merged["database_url"] = own_url
        sources["database_url"] = f"{ENVIRONMENT} (CORE_DATABASE_URL)"
    ci_file = os.environ.get("GITHUB_STEP_SUMMARY")
    if ci_file and for_run and "step_summary" not in merged:
        merged["step_summary"] = ci_file
        sources["step_summary"] = f"{ENVIRONMENT} (GITHUB_STEP_SUMMARY)"
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error, sources))) from None
    if for_run and (complaints := list(_run_complaints(settings))):
        raise SettingsError("\n".join(complaints))
    return LoadedSettings(settings, sources, tuple(_warnings(settings, sources)))


def _layers(command_line: Mapping[str, Any], directory: Path) -> list[tuple[str, Mapping[str, Any]]]:
    toml = directory / TOML_NAME
    try:
        from_file = TomlConfigSettingsSource(Settings, toml)() if toml.is_file() else {}
    except OSError as error:
        msg = f"{toml} cannot be read: {error.strerror}"
        raise SettingsError(msg) from None
    except ValueError as error:
        msg = f"{toml} is not TOML: {error}"
        raise SettingsError(msg) from None
    return [(TOML_NAME, from_file), (ENVIRONMENT, EnvSettingsSource(Settings)()), (COMMAND_LINE, command_line)]


def _complaints(error: ValidationError, sources: Mapping[str, str]) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(message)
            continue
        name = str(problem["loc"][0])
        lines.append(f"{option_of(name)} ({sources.get(name, DEFAULT)}): {message}")
    return lines


def _run_complaints(settings: Settings) -> Iterator[str]:
    """Tell what does not fit together for a run: a live controller and a stack of our own exclude each other."""
    yield from _stack_complaints(settings)
    if settings.window_start is not None and settings.window_start == settings.window_end:
        yield "--window-end must be after --window-start: the parity job takes no single microsecond"
    if not settings.live:
        if settings.hot_path or settings.cold_path or settings.auth_token or settings.auth_token_file:
            yield "--auth-token-file, --hot-path and --cold-path belong to a live controller: add its --base-url"
        return
    if settings.core_binary:
        yield "--core-binary belongs to the embedded stack, which --base-url turns off"
    places = {name: getattr(settings, name) for name in ("report_dir", "resume", "step_summary")}
    yield from places_in_the_lake(settings, {option_of(name): place for name, place in places.items()})
    if not (settings.auth_token or settings.auth_token_file):
        yield "a live controller (--base-url) needs --auth-token-file (or TSSE_AUTH_TOKEN)"


def places_in_the_lake(settings: Settings, places: Mapping[str, Path | None]) -> Iterator[str]:
    """Tell which of the places that we write to lie in the lake, where nothing of ours may ever be.

    `places` are named as the user knows them; temporary, working and cache directory are looked at in any case.
    """
    # not tempfile.gettempdir(): it tries the directory by writing into it
    temporary = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    ours = {
        **places,
        "the temporary directory (TMPDIR)": next((Path(path) for path in temporary if path), None),
        "the working directory": Path.cwd(),
        "the cache directory (XDG_CACHE_HOME)": cache_directory(),
    }
    for name, place in ours.items():
        for option, lake in (("--hot-path", settings.hot_path), ("--cold-path", settings.cold_path)):
            if place and lake and place.resolve().is_relative_to(lake.resolve()):
                yield f"{name} {place} lies in the lake ({option} {lake}): choose a place outside of it"


def cache_directory() -> Path:
    """Return where this user's runs on this machine keep what they must know of each other."""
    return user_cache_path("tsse-validation", appauthor=False)


def _stack_complaints(settings: Settings) -> Iterator[str]:
    """Tell what the chosen stack would pass over: who names an image must not get another one without a word."""
    given = settings.model_fields_set
    images = [option_of(name) for name in _IMAGES if name in given]
    if settings.stack is not StackKind.CONTAINERS:
        if images:
            yield f"{', '.join(images)}: an image belongs to --stack containers, which is not asked for"
        return
    if settings.live:
        yield "--stack containers is a stack of our own, which --base-url turns off"
        return
    others = [name for name in ("core_binary", "database_url", "setup_config", "qdrant_url") if name in given]
    if others:
        named = ", ".join(map(option_of, others))
        yield f"{named}: a stack of containers brings its own; name an image instead (--core-image, …)"
    if {"core_image", "base_image"} <= given:
        yield "--base-image is what the reference controller is built upon, which --core-image replaces"


def _warnings(settings: Settings, sources: Mapping[str, str]) -> list[str]:
    warnings = []
    if sources.get("auth_token") == COMMAND_LINE:
        warnings.append(
            "the token was given on the command line, where every local user can read it: use --auth-token-file"
        )
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    if sources.get("database_url") == COMMAND_LINE and "password" in conninfo_to_dict(url):
        warnings.append(
            "a password was given on the command line, where every local user can read it: use PGPASSFILE"
        )
    return warnings


def option_of(name: str) -> str:
    """Return the command-line option of a field: ``backfill_days`` → ``--backfill-days``."""
    return f"--{name.replace('_', '-')}"


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "not set"
    return str(value)


def token_of(settings: Settings) -> SecretStr:
    """Return the API token that the settings give, by file or by value.

    Raises:
        SettingsError: none is given, or its file cannot be used.

    """
    if settings.auth_token is not None:
        return settings.auth_token
    if settings.auth_token_file is None:
        raise SettingsError("no token is given.", "Give it by --auth-token-file (or TSSE_AUTH_TOKEN).")
    return read_token(settings.auth_token_file)


def conninfo_of(settings: Settings) -> SecretStr | None:
    """Return the DSN that the settings give, by value or by the controller's setup config, or `None`.

    Raises:
        SettingsError: the setup config cannot be used.

    """
    if settings.setup_config is not None:
        return read_setup_config(settings.setup_config)
    return settings.database_url


def read_token(path: Path) -> SecretStr:
    """Return the token on the first line of a file (contract section 2).

    Raises:
        SettingsError: the file is unreadable, or its first line is no token.

    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the token file {path} cannot be read: {type(error).__name__}"
        raise SettingsError(msg) from None
    token = lines[0].strip() if lines else ""
    if not _is_token(token):
        msg = f"the first line of the token file {path} is not a token."
        raise SettingsError(msg, "Write the token, and nothing else, on its first line.")
    return SecretStr(token)


def read_setup_config(path: Path) -> SecretStr:
    """Return the DSN in the controller's setup config JSON (contract section 1).

    Raises:
        SettingsError: the file is no JSON object with a usable `database_url`.

    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last: nested without end
        msg = f"the setup config {path} cannot be read as JSON: {type(error).__name__}"
        raise SettingsError(msg) from None
    url = config.get("database_url") if isinstance(config, dict) else None
    if not isinstance(url, str):
        msg = f"the setup config {path} has no database_url."
        raise SettingsError(msg, "Give --database-url instead.")
    try:
        return _conninfo(SecretStr(url))
    except ValueError as error:
        msg = f"database_url in the setup config {path} {error}"
        raise SettingsError(msg) from None
