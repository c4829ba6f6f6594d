"""One typed settings object for the test suite and the command-line helpers.

Precedence: command line > environment (`TSSE_…`) > `tsse-validation.toml` > default. Every value has a known
source, and no secret is shown. Bad values are refused together, before anything is contacted.
"""

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.contract import BACKLOG_GATE_SECONDS
from tsse_validation.domain.durations import Duration
from tsse_validation.domain.instants import Instant
from tsse_validation.settings.fields import (
    CommaList,
    Conninfo,
    Cover,
    HelperForm,
    HttpUrl,
    ImageName,
    Label,
    Level,
    LocalPath,
    OwnersFile,
    ReadableFile,
    SchedulerAddress,
    Seconds,
    StackKind,
    Token,
)

ENV_PREFIX = "TSSE_"


class Settings(BaseSettings):
    """Everything that can be set; each field is a command-line option of the same name.

    Made directly, it takes what it is given and the defaults; `settings.loading.load_settings` adds environment
    and file. Durations are seconds, instants RFC 3339 text or UTC-aware.

    >>> from tsse_validation import Settings
    >>> settings = Settings(hot_path="/lake/hot", window_end="2026-01-01T01:00:00Z", level="rows")
    >>> settings.level.value, settings.window_end.isoformat()
    ('rows', '2026-01-01T01:00:00+00:00')

    Raises:
        pydantic.ValidationError: a value is wrong; no secret is in its message.
    """

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
    setup_config: OwnersFile | None = Field(
        None, description="the controller's setup config JSON, for its database_url"
    )
    no_discovery: bool = Field(
        False, description="take no lake and no setup config from the default places of the controller's own host"
    )
    hot_path: LocalPath | None = Field(None, description="the lake's hot directory, where it is readable here")
    cold_path: LocalPath | None = Field(None, description="the lake's cold directory, where it is readable here")
    lake_seal: LocalPath | None = Field(
        None,
        description="a seal of the lake (tsse-validate seal lake), in place of --hot-path where the lake is not "
        "readable here",
    )
    await_seal: Duration = Field(
        Duration(0),
        description="print the command that seals the lake, and wait so long for its file: 10m, 2h (0: do not)",
    )
    accept_baseline: bool = Field(
        False, description="let a seal of the lake be a proof that took days over from an earlier seal"
    )
    shards: int = Field(16, ge=1, le=100, description="shards of the lake")
    hot_retention_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="days that the hot lake keeps; older dates are deleted where no cold path is",
    )
    ca_file: ReadableFile | None = Field(None, description="CA certificates (PEM) to trust for https")
    cluster: SchedulerAddress | None = Field(
        None,
        description="Dask scheduler, as tcp://HOST:8786 or tls://HOST:8786, whose workers read the lake's files "
        "in this process' place",
    )

    require: Assurance = Field(
        Assurance.PROOF,
        description="grade that GO needs, less is INCOMPLETE: proof (every due row, both sides read by us), "
        "counts (every sensor, by the controller's job) or sample (some sensors in some window)",
    )
    backfill_days: int = Field(90, ge=1, le=365, description="days that step 4 backfills; the gate asks for 90")
    cancel_on_interrupt: bool = Field(
        False, description="cancel our own backfill when the run is interrupted (else it goes on, and is named)"
    )
    skip_backfill: bool = Field(False, description="do not backfill (the verdict is then INCOMPLETE)")
    accept_loss: bool = Field(
        False, description="backfill also where that takes rows out of the lake which it does not bring back"
    )
    dry_run: bool = Field(
        False, description="say what a run would start and what its backfill would replace, and start nothing"
    )
    sensor_ids: CommaList = Field((), description="sensors of the parity job, comma-separated; default: all")
    sample: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="count so many sensors over the last day, as the runbook does; default: all, over all days",
    )
    window_start: Instant | None = Field(None, description="start of the parity window, RFC 3339")
    window_end: Instant | None = Field(None, description="end of the parity window, RFC 3339")
    level: Level = Field(
        Level.DIGEST,
        description="how step 6 compares: count, digest (rows where it differs) or rows (all of them)",
    )
    cover: Cover = Field(
        Cover.PROMISED,
        description="dates that step 6 compares: promised (by the lake's state), or lake (every date it holds)",
    )
    resume: ReadableFile | None = Field(
        None,
        description="run.jsonl of a run that was interrupted: what it proved by digest is taken over, its soak "
        "is gone on with",
    )
    heal_check: bool = Field(
        False, description="where rows differ, backfill again and tell what healed from a replication bug"
    )
    helpers: HelperForm | None = Field(
        None,
        description="run the runbook's own commands too: the directory that holds tsse_lake_inspector, "
        "tsse_lake_backfill and tsse_lake_parity_check, or a command line with {helper} in the place of the name",
    )
    max_windows: int = Field(240, ge=0, le=100_000, description="random windows counted directly in step 7")
    max_job_windows: int = Field(6, ge=0, le=50, description="random windows counted by the parity job in step 7")
    window_seed: int = Field(
        20_260_124, ge=0, description="seed of the random windows: the same seed, the same windows"
    )

    soak: Duration = Field(
        Duration(0), description="stay for so long after the other steps and watch: 10m, 8h, 7d (0: do not)"
    )
    soak_pace: Duration | None = Field(
        None,
        description="longest pause between two samples of a soak; "
        "default: 10s by the state file, else 30s, and by the API never less than 30s",
    )
    soak_old_day_every: Duration = Field(
        Duration(minutes=15), description="how often a soak compares an old day once more (0: never)"
    )

    connect_timeout: Seconds = Field(5, description="seconds to connect to a service")
    request_timeout: Seconds = Field(30, description="seconds an HTTP answer may take")
    job_timeout: Seconds = Field(300, description="seconds an inspect, tick or parity job may take")
    backfill_timeout: Seconds = Field(4 * 3600, description="seconds the backfill job may take")
    active_job_timeout: Seconds = Field(
        900, description="seconds to wait for another active lake job before the backfill is started"
    )
    leftover_after: Seconds = Field(
        600,
        description="seconds after which a running job that has not moved is taken for one that a crash has left",
    )
    poll_interval: Seconds = Field(5, description="longest pause between two polls of a job, seconds")
    statement_timeout: Seconds = Field(120, description="seconds a statement may run in Postgres")
    postgres_workers: int = Field(
        0, ge=0, le=16, description="parallel workers that a statement may take in Postgres: the default is gentle"
    )
    lock_timeout: Seconds = Field(2, description="seconds a statement may wait for a lock in Postgres")
    transaction_timeout: Seconds = Field(
        180, description="seconds a transaction may take in Postgres: others may wait for it to end"
    )
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
    failure_seed: int = Field(
        20_260_124,
        ge=0,
        description="seed of the moments at which -m failures strikes: the same seed, the same moments",
    )
    release_label: Label = Field(
        "", max_length=120, description="the release that is validated, as you name it: every report shows it"
    )
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
        """Take only values that `load_settings` has gathered, so that each has a known source."""
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
    def sealed(self) -> bool:
        """Whether the lake is told by a seal, and not read here."""
        return self.lake_seal is not None or bool(self.await_seal)

    @property
    def live(self) -> bool:
        """Whether an installed controller is validated, on which nothing may be harmed."""
        return self.base_url is not None


def option_of(name: str) -> str:
    """Return the command-line option of a field: ``backfill_days`` → ``--backfill-days``."""
    return f"--{name.replace('_', '-')}"
