"""The record of a seal that a run has taken one side from, or has made of the other."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tsse_validation.domain.instants import Instant
from tsse_validation.runlog.record_base import Record


class EarlierReading(BaseModel):
    """What a seal has of an earlier one and has not read itself: days with digests from there.

    `sha256` is the earlier seal's, which read them itself `read_at`, by the clock of its host. `files` were
    unchanged since by path, size, time and footer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    read_at: Instant
    days: tuple[date, ...]
    files: int


class SealUsed(Record):
    """A seal, by whom, where and when it was made, and how far it was read for itself.

    `path` is where the run found it, or has written it. `made_at` is by the clock of `host`. Of a lake's seal
    `as_of` is the SHA-256 of the one of Postgres, by which it leaves out what is not due, or empty. `days` are how
    many dates it is of, from `files` with `rows`; a seal of Postgres has no files. `reread` files of `unchanged`
    ones were read again, to see that they are. `left` are the sensor-days of all parts that the seal proves
    neither way: as long as there are any, it is no proof.
    """

    record: Literal["seal"] = "seal"
    side: Literal["postgres", "lake"]
    path: str
    sha256: str
    made_at: Instant
    host: str
    user: str
    suite_version: str
    as_of: str = ""
    days: int
    files: int = 0
    rows: int
    rests_on: tuple[EarlierReading, ...] = ()
    unchanged: int = 0
    reread: int = 0
    left: int
