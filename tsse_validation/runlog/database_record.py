"""The record of the database that a run has read."""

from typing import Literal

from tsse_validation.domain.instants import Instant
from tsse_validation.runlog.record_base import Record


class DatabaseSeen(Record):
    """The database that the DSN leads to: `server` as it was reached, `address` as the server itself tells it.

    `tables_in` is the schema of `metrics`, `sensors` and `analysis_jobs`, `policies` are the row-level policies on
    them. `system_identifier` is that of the cluster, which a standby and a copy have from their origin, and `None`
    where this role may not read it. `job_id` is a job of ours that its `analysis_jobs` shows, `None` as long as it
    is not proven to be the controller's.
    """

    record: Literal["database"] = "database"
    server: str
    address: str | None
    database: str
    role: str
    tables_in: str
    standby: bool
    version: str
    system_identifier: str | None = None
    policies: tuple[str, ...] = ()
    job_id: str | None = None
    job_created_at: Instant | None = None
