"""What does not fit together where a seal tells of the lake: said before anything is contacted."""

from collections.abc import Iterator

from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import Cover, Level

_SEALS = "--lake-seal and --await-seal"


def seal_complaints(settings: Settings) -> Iterator[str]:
    """Yield what a run with a seal of the lake cannot do, and what it lacks."""
    if not settings.sealed:
        if settings.accept_baseline:
            yield "--accept-baseline belongs to a seal of the lake: give --lake-seal or --await-seal"
        return
    if not settings.live:
        yield f"{_SEALS} belong to a live controller: add its --base-url"
        return
    if settings.hot_path or settings.cold_path:
        yield f"{_SEALS} take the place of --hot-path and --cold-path: give the seal or the lake, not both"
    if not (settings.database_url or settings.setup_config):
        yield f"{_SEALS} are compared with Postgres: give --database-url too"
    yield from _what_no_seal_can(settings)
    yield from _seal_that_is_there(settings)


def _what_no_seal_can(settings: Settings) -> Iterator[str]:
    if settings.level is not Level.DIGEST:
        yield f"--level {settings.level}: a seal holds digests, so leave it out, or read the lake by --hot-path"
    if settings.cover is not Cover.PROMISED:
        yield f"--cover {settings.cover}: a seal holds what the lake promises; read the lake by --hot-path"
    if settings.resume is not None:
        yield "--resume takes days over from an earlier run, and seals are compared whole: leave it out"
    if settings.heal_check:
        yield "--heal-check compares again after a backfill, which no seal has seen: read the lake by --hot-path"


def _seal_that_is_there(settings: Settings) -> Iterator[str]:
    seal = settings.lake_seal
    if seal is None or settings.await_seal:
        return
    if not seal.is_file():
        yield f"--lake-seal {seal} is not there: make it (tsse-validate seal lake), or wait for it by --await-seal"
    elif not settings.skip_backfill:
        yield f"--lake-seal {seal} is older than the backfill that this run starts: give --await-seal 10m as well"
