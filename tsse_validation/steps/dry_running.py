"""What a run, or a backfill, would start and replace: said without starting anything and without the controller.

Only what this user may read is looked at: the lake's files, and Postgres by read-only questions.
"""

import math
from collections.abc import Iterator

from tsse_validation.clients.postgres import PostgresClient
from tsse_validation.domain.contract import BACKFILL_JOB, POST_BURST
from tsse_validation.domain.errors import SuiteError
from tsse_validation.domain.instants import utc_now
from tsse_validation.domain.replacement import Replacement, losses_in_words
from tsse_validation.lake.reader import LakeReader
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.helper_form import HELPER_NAMES
from tsse_validation.settings.places import cache_directory
from tsse_validation.steps.loss_guard import WouldLoseError, hold_no_loss, look_ahead
from tsse_validation.steps.loss_looks import DirectLook
from tsse_validation.steps.opening import DEFAULT_BASE_URL, lake_reader, postgres_client
from tsse_validation.steps.soak_watching import sample_pace

_FEWEST_INSPECTIONS = 2
"""Before the backfill, and after it."""
_POSTS_BESIDE_HELPERS = 3
"""The inspector's, our inspection after it, and the parity check's; the backfill's stands in the place of ours."""


def dry_run_lines(settings: Settings, *, replaces: bool = True) -> Iterator[str]:
    """Yield what would be done, line by line; POSTs nothing and asks the controller nothing."""
    yield f"dry run: nothing is started, and {settings.base_url or DEFAULT_BASE_URL} is not asked for anything"
    days = settings.backfill_days
    yield f"would POST: {BACKFILL_JOB}, days {days}, replace_existing {'true' if replaces else 'false'}"
    if not replaces:
        yield "would replace: nothing, rows are only added"
        return
    yield f"would replace: {Replacement.expected(days, utc_now(), None)}"
    try:
        yield from _losses(settings)
    except SuiteError as error:
        yield f"would be lost: not known: {error}"


def calls_and_files(settings: Settings) -> Iterator[str]:
    """Yield what a whole run would call, read and write, line by line; nothing is contacted."""
    if settings.soak:
        yield f"would stay for {settings.soak} after the other steps and watch the watermark (--soak)"
    if settings.live:
        yield "would GET there: /healthz, and the jobs that it starts, with their events and results"
        posts = dict(_posts(settings))
        counted = ", ".join(f"{number} {purpose}" for purpose, number in posts.items())
        yield (
            f"would POST there, of the {POST_BURST} that all callers of one address share: {counted}; "
            f"about {sum(posts.values())}, and more where the range takes several slices or something differs"
        )
        if settings.helpers:
            yield f"would run: {', '.join(HELPER_NAMES)}, as the runbook has it; the backfill is theirs"
        named = settings.database_url or settings.setup_config
        yield f"would read Postgres: {'read-only, in one session at a time' if named else 'not, no DSN is given'}"
        yield from _lake_read(settings)
        if not settings.skip_qdrant:
            yield "would GET of Qdrant: /healthz and its version"
    yield f"would write: a folder for the run in {settings.report_dir}, with its log and reports"
    if settings.step_summary:
        yield f"would write: a summary, added to {settings.step_summary}"
    if settings.live:
        yield f"would write: a note for other runs of this user, in {cache_directory()}"


def _lake_read(settings: Settings) -> Iterator[str]:
    lake = " and ".join(str(path) for path in (settings.hot_path, settings.cold_path) if path)
    if settings.await_seal:
        where = settings.lake_seal or "the run's folder"
        yield "would seal Postgres into the run's folder, and print a command for who may read the lake"
        yield f"would wait up to {settings.await_seal} for the seal of the lake, in {where} (--await-seal)"
        yield "would ask that user once more, as long, for the lake's rows where sensor-days differ"
    elif settings.lake_seal:
        yield f"would seal Postgres into the run's folder, and compare it with {settings.lake_seal} (--lake-seal)"
    else:
        yield f"would read the lake's files: {f'in {lake}, writing nothing' if lake else 'none are given'}"


def _posts(settings: Settings) -> Iterator[tuple[str, int]]:
    """Yield how many jobs a run starts at the least, by purpose, in the order of the runbook."""
    yield "to try the token", 1
    if settings.view_token_file:
        yield "to try the view-only token", 1
    if settings.database_url or settings.setup_config:
        yield "to know the database", 1
    yield "or more inspections", _FEWEST_INSPECTIONS
    if not settings.skip_backfill:
        yield "backfill", 1
    yield "or more parity jobs, one for each slice of the range", 1
    if settings.helpers:
        yield "for the runbook's own commands, and an inspection beside them", _POSTS_BESIDE_HELPERS
    if settings.max_job_windows:
        yield "windows at the most (--max-job-windows)", settings.max_job_windows
    if settings.soak and not settings.hot_path:
        pace = sample_pace(settings, by_file=False)
        yield f"inspections of the soak, one each {pace:.0f} s", math.ceil(settings.soak.total_seconds() / pace)


def _losses(settings: Settings) -> Iterator[str]:
    postgres = postgres_client(settings)
    if settings.hot_path is None or postgres is None:
        yield "would be lost: not known without Postgres and the lake's files; a run asks the controller first"
        return
    yield from _by_both_sides(settings, lake_reader(settings), postgres)


def _by_both_sides(settings: Settings, lake: LakeReader, postgres: PostgresClient) -> Iterator[str]:
    look = DirectLook(postgres, lake)
    replacement = Replacement.expected(settings.backfill_days, utc_now(), lake.replication().last_inserted_at)
    outlook = look_ahead(look, replacement)
    for unknown in outlook.unknown:
        yield f"could not be told: {unknown}"
    if not outlook.losses:
        yield f"would be lost: nothing, by {look.by}"
        return
    yield f"would be lost: {losses_in_words(outlook.losses)}, by {look.by}"
    try:
        hold_no_loss(look, outlook)
    except WouldLoseError as error:
        would = "would start all the same (--accept-loss)" if settings.accept_loss else "would not start"
        yield f"so the backfill {would}: {error.advice}"
