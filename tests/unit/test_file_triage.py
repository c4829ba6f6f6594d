"""What is wrong with files, as findings."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from tsse_validation.diagnosis.file_triage import (
    leftover_files,
    litter_left,
    malformed_files,
    manifest_findings,
    unreadable_files,
)
from tsse_validation.diagnosis.tally import REPEAT_BACKFILL
from tsse_validation.domain.aspects import FILE_ASPECTS
from tsse_validation.lake.file_checks import FileProblem
from tsse_validation.lake.reader import LakeFile, LakeListing
from tsse_validation.runlog.records import Finding

DAY = date(2026, 1, 24)
NEXT = DAY + timedelta(days=1)


def file(day: date = DAY, name: str = "part-1-0.parquet", location: str = "hot") -> LakeFile:
    return LakeFile(Path("/lake") / name, day, "07", location, 10)


def test_nothing_wrong_is_no_finding() -> None:
    assert unreadable_files({}) is None
    assert leftover_files([]) is None
    assert [malformed_files(aspect, []) for aspect in FILE_ASPECTS] == [None] * len(FILE_ASPECTS)
    whole = LakeListing((file(),), locations={DAY: "hot"}, named=frozenset({DAY}))
    assert list(manifest_findings(whole, {DAY})) == []


def test_a_file_that_cannot_be_read_is_named_with_the_readers_error() -> None:
    found = unreadable_files({file(): "ZSTD Decompression failure", file(NEXT, "b.parquet"): "no footer"})
    assert found is not None
    assert found.flagged
    assert found.summary == "2 files on 2 days from 2026-01-24 to 2026-01-25"
    assert "date=2026-01-24/shard=07/part-1-0.parquet: ZSTD Decompression failure" in found.evidence
    assert "no footer" in found.evidence
    assert found.days == (DAY, NEXT)


@pytest.mark.parametrize("aspect", FILE_ASPECTS)
def test_malformed_files_are_told_with_their_sensors_days_and_rows(aspect: str) -> None:
    problems = [
        FileProblem(file(), "wrong in some way", 3, frozenset({"b"})),
        FileProblem(file(NEXT), "wrong in some way", 4, frozenset({"a", "b"})),
    ]
    found = malformed_files(aspect, problems)
    assert found is not None
    assert (found.flagged, found.rows, found.sensors, found.days) == (True, 7, ("a", "b"), (DAY, NEXT))
    assert "date=2026-01-24/shard=07/part-1-0.parquet: 3 rows wrong in some way" in found.evidence


def test_each_aspect_has_a_name_of_its_own() -> None:
    names = {
        found.diagnosis
        for aspect in FILE_ASPECTS
        if (found := malformed_files(aspect, [FileProblem(file(), "x")]))
    }
    assert len(names) == len(FILE_ASPECTS)


def test_a_temporary_file_that_stays_is_named() -> None:
    found = leftover_files([Path("/lake/part-2-0.parquet.tmp")])
    assert found is not None
    assert found.flagged
    assert found.summary == "1 temporary file left over"
    assert "part-2-0.parquet.tmp" in found.evidence


def test_a_date_that_the_manifest_names_without_a_file_is_told_and_not_flagged() -> None:
    """A real controller shows such dates (contract section 3); where rows are due there, parity flags them."""
    listing = LakeListing((file(),), locations={DAY: "hot"}, named=frozenset({DAY, NEXT}))
    (found,) = manifest_findings(listing, {DAY})
    assert (found.diagnosis, found.flagged, found.days) == ("manifest names what is not there", False, (NEXT,))
    assert list(manifest_findings(listing, {DAY, NEXT})) == []


def test_a_date_with_files_that_the_manifest_leaves_out_is_told() -> None:
    listing = LakeListing((file(), file(NEXT)), named=frozenset({DAY}))
    (found,) = manifest_findings(listing, {DAY, NEXT})
    assert (found.diagnosis, found.flagged, found.days) == ("manifest does not name what is there", False, (NEXT,))


def test_files_in_the_place_that_the_manifest_does_not_name_are_told() -> None:
    listing = LakeListing((file(),), shadowed=(file(location="cold"),), named=frozenset({DAY}))
    (found,) = manifest_findings(listing, {DAY})
    assert (found.diagnosis, found.flagged, found.days) == ("hidden by the manifest", False, (DAY,))
    assert "/lake/part-1-0.parquet" in found.evidence


# ---- the words -------------------------------------------------------------------------------------------------


def test_an_unreadable_file_is_told_in_these_words() -> None:
    assert unreadable_files({file(): "x" * 300, file(DAY, "b.parquet"): "no footer"}) == Finding(
        diagnosis="unreadable file",
        flagged=True,
        summary="2 files on 2026-01-24",
        evidence=f"what they hold is not known: date=2026-01-24/shard=07/part-1-0.parquet: {'x' * 200}; "
        "date=2026-01-24/shard=07/b.parquet: no footer",
        days=(DAY,),
        next_step=REPEAT_BACKFILL,
        heals_by_backfill=True,
    )


def test_a_malformed_file_is_told_in_these_words() -> None:
    problems = [
        FileProblem(file(), "out of order", 1, frozenset({"a"})),
        FileProblem(file(NEXT), "without a footer"),
    ]
    assert malformed_files("date", problems) == Finding(
        diagnosis="wrong date",
        flagged=True,
        summary="2 files on 2 days from 2026-01-24 to 2026-01-25",
        evidence="date=2026-01-24/shard=07/part-1-0.parquet: 1 row out of order; "
        "date=2026-01-25/shard=07/part-1-0.parquet: without a footer",
        sensors=("a",),
        days=(DAY, NEXT),
        rows=1,
        next_step=REPEAT_BACKFILL,
        heals_by_backfill=True,
    )


def test_a_leftover_file_is_told_in_these_words() -> None:
    assert leftover_files([Path("/lake/a.tmp"), Path("/lake/b.tmp")]) == Finding(
        diagnosis="leftover temporary file",
        flagged=True,
        summary="2 temporary files left over",
        evidence="no file in the making is that old: /lake/a.tmp, /lake/b.tmp",
        next_step="Look at the controller's log for the write that was torn off, then remove them.",
        heals_by_backfill=False,
    )


def test_litter_is_told_in_these_words_and_not_flagged() -> None:
    assert litter_left([]) is None
    assert litter_left([Path("/lake/._a.parquet"), Path("/lake/.DS_Store")]) == Finding(
        diagnosis="litter in the lake",
        flagged=False,
        summary="2 names that a desktop or a network share leaves behind",
        evidence="no file of the lake, and not read: /lake/._a.parquet, /lake/.DS_Store",
        next_step="Nothing for parity. Remove them, and keep Finder and its like away: another reader may trip.",
    )


def test_a_manifest_that_is_not_right_is_told_in_these_words() -> None:
    listing = LakeListing((file(NEXT),), shadowed=(file(), file(name="b.parquet")), named=frozenset({DAY}))
    found = {finding.diagnosis: finding for finding in manifest_findings(listing, ())}
    assert {(finding.evidence, finding.summary) for finding in found.values()} == {
        ("named, without a file and without a row in Postgres", "1 date: 2026-01-24"),
        ("files of a date that it leaves out", "1 date: 2026-01-25"),
        ("2 files in the place that it does not name, such as /lake/part-1-0.parquet", "1 date: 2026-01-24"),
    }
    assert {finding.next_step for finding in found.values()} == {
        "Nothing, while parity holds; retention or a backfill puts the manifest right."
    }


def test_of_many_files_only_a_few_are_named_and_all_are_counted() -> None:
    many = [file(name=f"part-{n}.parquet") for n in range(9)]
    unreadable = unreadable_files(dict.fromkeys(many, "torn"))
    malformed = malformed_files("schema", [FileProblem(one, "odd") for one in many])
    leftover = leftover_files([one.path for one in many])
    for found in (unreadable, malformed, leftover):
        assert found is not None
        assert found.summary.startswith("9 ")
        assert "part-4.parquet" in found.evidence
        assert "part-5.parquet" not in found.evidence


def test_of_many_sensors_fifty_are_named() -> None:
    found = malformed_files("shard", [FileProblem(file(), "odd", 99, frozenset(f"s{n:02d}" for n in range(60)))])
    assert found is not None
    assert found.sensors == tuple(f"s{n:02d}" for n in range(50))
