"""The whole catalogue: the faults, their harmless twins, and what no run can see."""

from collections.abc import Mapping

from tests.system.faults import api, benign, beyond, by_api, database, lake, logic, losses, state, whose
from tests.system.faults.model import Benign, Fault, Place

_FAULTS = (
    *lake.FAULTS,
    *beyond.FAULTS,
    *state.FAULTS,
    *logic.FAULTS,
    *losses.FAULTS,
    *api.FAULTS,
    *database.FAULTS,
    *by_api.FAULTS,
    *whose.FAULTS,
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for place in Place for fault in _FAULTS if fault.place is place}
"""Every fault by its name, place by place."""

BENIGN: Mapping[str, Benign] = {
    entry.name: entry for entry in (*benign.BENIGN, *beyond.BENIGN, *losses.BENIGN, *by_api.BENIGN, *whose.BENIGN)
}
"""Every odd thing that is no fault, by its name."""

SENTINELS = frozenset(
    {
        *("a shard is lost on every day", "values are kept as 32-bit floats", "a file is torn in the middle"),
        "the watermark lies in the future",
        "a day is hot and cold, and the manifest points to the poorer copy",
        *("upserts skipped", "completed without work", "counts one row too many"),
        *("an answer drips", "replication is an hour behind"),
        *("a row is deleted", "a value is changed in place", "the DSN leads to a clone"),
        *("a forecast's file is lost", "old rows are imported meanwhile", "the run reads a standby"),
        *("a row stands in two files", "a leap day and a New Year lie in the range"),
        *("the first date is cut", "a backfill would cut the first date"),
        "by the API alone: a row is lost where no copy can be",
    }
)
"""One entry of each kind: the gate tries these, and the nightly tests all."""

UNSEEN: Mapping[str, str] = {
    "A row is wrong in Postgres": "Postgres is the authority: what it holds is what is right.",
    "A row is lost on both sides": "Nothing is left that could differ.",
    "An old row without inserted_at comes in after the backfill": (
        "Nothing tells when it was inserted, and a pass stamps those of its late window only, so it is due once "
        "the next backfill has gone over it."
    ),
    "By the API alone: a changed value, or a lost row beside a doubled one": (
        "The controller's job counts rows: it sees no value, and where a row waits for compaction in several "
        "files it counts each copy. Such a run is at best GO by counts, and says so."
    ),
    "The bits of a NaN": "Postgres shows every NaN alike, so two of them are equal.",
    "A fault that heals before it is looked at": "A run sees the lake as it is while it reads it.",
    "A file that the controller's user may not read": (
        "By its mode it can be read by the suite's user or it cannot: then the run is INCOMPLETE and names it. "
        "It is tried with the lake's reader, not planted here, for the root of a CI reads everything."
    ),
}
"""What the suite cannot detect, and why."""
