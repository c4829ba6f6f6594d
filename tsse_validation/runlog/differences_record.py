"""The record of the files that hold every differing row of a run."""

from typing import Literal

from tsse_validation.runlog.record_base import Record


class KeptFile(Record):
    """One file of differing rows, by its name in the run's folder; `rows` are in it."""

    name: str
    rows: int
    sha256: str


class DifferencesKept(Record):
    """Every differing row of the run, as files. Without a comparison of rows there is no such record, and no file.

    `complete` is false where a comparison did not come to its end, or not every row could be written: then `why`
    says so, and the files hold what was found until then.
    """

    record: Literal["differences_kept"] = "differences_kept"
    rows: int
    complete: bool
    why: str = ""
    files: tuple[KeptFile, ...] = ()
