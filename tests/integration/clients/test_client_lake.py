"""The lake's directories and state files, as they should be and as they should not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.integration.clients.conftest import Told
from tests.support.builders import BEGIN, WATERMARK, replication
from tsse_validation.domain.contract import DATASET
from tsse_validation.domain.coverage import Coverage
from tsse_validation.domain.errors import AccessError, NotCheckedError, PromiseBrokenError
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader

FIRST, SECOND = date(2026, 1, 23), date(2026, 1, 24)
EMPTY_MANIFEST = b'{"schema_version":1,"datasets":{}}'


class Lake:
    """Directories to write a lake into by hand."""

    def __init__(self, root: Path) -> None:
        self.hot, self.cold = root / "hot", root / "cold"

    @property
    def reader(self) -> LakeReader:
        return LakeReader(LakePaths(self.hot, self.cold))

    def state(self, name: str, content: bytes) -> Path:
        return self.write(self.hot / "_state" / name, content)

    def manifest(self, **places: str) -> None:
        days = ",".join(f'"{day}":{{"location":"{place}"}}' for day, place in places.items())
        self.state("manifest.json", f'{{"datasets":{{"{DATASET}":{{"partitions":{{{days}}}}}}}}}'.encode())

    def file(self, day: object, shard: str, name: str, *, cold: bool = False, content: bytes = b"12345") -> Path:
        root = self.cold if cold else self.hot
        return self.write(root / DATASET / f"date={day}" / f"shard={shard}" / name, content)

    @staticmethod
    def write(path: Path, content: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path)
    made.state("manifest.json", EMPTY_MANIFEST)
    return made


# ---- state files -----------------------------------------------------------------------------------------------


def test_the_state_files_are_read_as_the_contract_writes_them(lake: Lake) -> None:
    lake.state("replication.json", replication().model_dump_json().encode())
    lake.manifest(**{"2026-01-24": "cold"})
    assert lake.reader.replication() == replication()
    assert {day: at.location for day, at in lake.reader.manifest().metrics.partitions.items()} == {SECOND: "cold"}


def test_the_covered_range_is_that_of_the_backfill_up_to_the_watermark(lake: Lake) -> None:
    lake.state("replication.json", replication().model_dump_json().encode())
    coverage = Coverage.promised_by(lake.reader.replication())
    assert (coverage.backfill_from, coverage.backfill_to, coverage.watermark) == (BEGIN, WATERMARK, WATERMARK)


@pytest.mark.parametrize("missing", ["backfill_from_ts", "backfill_to_ts", "computed_through_ts"])
def test_without_a_backfill_nothing_is_promised(missing: str, lake: Lake, told: Told) -> None:
    lake.state("replication.json", replication(**{missing: None}).model_dump_json().encode())
    with told(NotCheckedError, "no completed backfill"):
        Coverage.promised_by(lake.reader.replication())


@pytest.mark.parametrize("name", ["replication", "manifest"])
def test_a_missing_state_file_breaks_the_promise(name: str, tmp_path: Path, told: Told) -> None:
    with told(PromiseBrokenError, "The lake has no", f"{name}.json"):
        getattr(Lake(tmp_path).reader, name)()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"schema_version": 1, "computed_through_ts": "2026-01-2',
        b"\x00" * 100,
        b'{"schema_version": "\xff\xfe"}',
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b'"text"',
        b'{"computed_through_ts": "yesterday"}',
        b'{"schema_version": "one"}',
        b"[" * 100_000,
    ],
)
def test_a_torn_or_wrong_state_file_breaks_the_promise(content: bytes, lake: Lake, told: Told) -> None:
    lake.state("replication.json", content)
    with told(PromiseBrokenError, "replication.json", "is not what the contract promises"):
        lake.reader.replication()


def test_a_lake_of_another_is_refused(shared_dir: Path, as_another_user: Callable[[], None], told: Told) -> None:
    lake = Lake(shared_dir)
    for name in ("replication.json", "manifest.json"):
        lake.state(name, EMPTY_MANIFEST).chmod(0)
    as_another_user()
    with told(AccessError, "may not read", "replication.json"):
        lake.reader.replication()
    with told(AccessError, "may not read", "manifest.json"):
        lake.reader.listing()


def test_a_directory_that_may_be_listed_and_not_entered_is_a_matter_of_access(
    shared_dir: Path, as_another_user: Callable[[], None], told: Told
) -> None:
    lake = Lake(shared_dir)
    lake.state("manifest.json", EMPTY_MANIFEST)
    lake.file(SECOND, "00", "part-1-0.parquet")
    (lake.hot / DATASET).chmod(0o444)
    as_another_user()
    with told(AccessError, "may not read", DATASET):
        lake.reader.listing()


@pytest.mark.parametrize("closed", [DATASET, f"{DATASET}/date=2026-01-24", f"{DATASET}/date=2026-01-24/shard=00"])
def test_a_directory_of_another_user_is_a_matter_of_access(
    closed: str, shared_dir: Path, as_another_user: Callable[[], None], told: Told
) -> None:
    lake = Lake(shared_dir)
    lake.state("manifest.json", EMPTY_MANIFEST)
    lake.file(SECOND, "00", "part-1-0.parquet")
    directory = lake.hot / closed
    directory.chmod(0)
    as_another_user()
    with told(AccessError, "may not read", closed):
        lake.reader.listing()


def test_a_file_whose_directory_was_closed_is_not_taken_for_gone(
    shared_dir: Path, as_another_user: Callable[[], None]
) -> None:
    lake = Lake(shared_dir)
    lake.state("manifest.json", EMPTY_MANIFEST)
    path = lake.file(SECOND, "00", "part-1-0.parquet")
    (file,) = lake.reader.listing().files
    path.parent.chmod(0)
    as_another_user()
    assert file.there
    assert not replace(file, path=shared_dir / "nowhere.parquet").there


# ---- listing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [DATASET, "_state/manifest.json"])
def test_a_disk_or_mount_that_fails_is_no_broken_promise(broken: str, lake: Lake, told: Told) -> None:
    path = lake.hot / broken
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(path.name)  # the system fails to follow it, as it fails to read from a mount that is gone
    with told(AccessError, str(path), "Too many levels of symbolic links"):
        lake.reader.listing()


def test_files_are_listed_with_their_date_shard_place_and_bytes(lake: Lake) -> None:
    path = lake.file(FIRST, "07", "part-1-0.parquet")
    other = lake.file(SECOND, "00", "compact-2.parquet", content=b"1")
    listing = lake.reader.listing()
    assert [(f.path, f.day, f.shard, f.location, f.size) for f in listing.files] == [
        (path, FIRST, "07", "hot", 5),
        (other, SECOND, "00", "hot", 1),
    ]
    assert listing.days() == {FIRST, SECOND}
    assert [file.path for file in listing.files if file.day == FIRST] == [path]
    assert listing.locations == {FIRST: "hot", SECOND: "hot"}


def test_files_are_counted_by_shard_and_day(lake: Lake) -> None:
    for number in range(3):
        lake.file(FIRST, "07", f"part-1-{number}.parquet")
    lake.file(SECOND, "07", "part-1-0.parquet")
    assert Counter((file.day, file.shard) for file in lake.reader.listing().files) == {
        (FIRST, "07"): 3,
        (SECOND, "07"): 1,
    }


def test_an_empty_or_absent_lake_has_no_files(lake: Lake) -> None:
    listing = lake.reader.listing()
    assert (listing.files, listing.days(), dict(listing.locations)) == ((), set(), {})


def test_a_partition_without_files_is_no_day_but_has_a_place(lake: Lake) -> None:
    (lake.hot / DATASET / f"date={FIRST}" / "shard=00").mkdir(parents=True)
    listing = lake.reader.listing()
    assert (listing.days(), dict(listing.locations)) == (set(), {FIRST: "hot"})


@pytest.mark.parametrize(
    ("named", "hot", "cold", "taken"),
    [
        ("hot", True, True, "hot"),
        ("cold", True, True, "cold"),
        ("hot", False, True, "cold"),
        ("cold", True, False, "hot"),
        (None, True, True, "hot"),
        (None, False, True, "cold"),
    ],
)
def test_a_date_is_taken_from_where_the_manifest_says_or_else_from_the_other_place(
    named: str | None, hot: bool, cold: bool, taken: str, lake: Lake
) -> None:
    if named:
        lake.manifest(**{str(FIRST): named})
    places = [place for place, there in (("hot", hot), ("cold", cold)) if there]
    for place in places:
        lake.file(FIRST, "00", f"{place}.parquet", cold=place == "cold")
    listing = lake.reader.listing()
    assert [file.path.stem for file in listing.files] == [taken]
    assert [file.path.stem for file in listing.shadowed] == [place for place in places if place != taken]
    assert listing.locations == {FIRST: taken}


def test_a_cold_place_that_was_not_given_is_not_looked_at(lake: Lake) -> None:
    lake.file(FIRST, "00", "part.parquet", cold=True)
    assert LakeReader(LakePaths(lake.hot)).listing().files == ()


def test_files_in_the_making_are_told_from_files(lake: Lake) -> None:
    lake.file(FIRST, "00", "part-1-0.parquet")
    temporary = lake.file(FIRST, "00", "part-1-1.parquet.tmp")
    listing = lake.reader.listing()
    assert listing.temporary == (temporary,)
    assert len(listing.files) == 1
    assert listing.foreign == ()


def test_what_belongs_to_no_lake_is_foreign_and_not_read(lake: Lake) -> None:
    strange = [
        lake.file(FIRST, "00", "notes.txt"),
        lake.file(FIRST, "00", "parquet"),
        lake.write(lake.hot / DATASET / f"date={FIRST}" / "README", b""),
        lake.write(lake.hot / DATASET / ".hidden", b""),
        lake.file(FIRST, "7", "a.parquet").parent,
        lake.file(FIRST, "007", "a.parquet").parent,
        lake.file("2026-02-30", "00", "a.parquet").parent.parent,
        lake.file("20260124", "00", "a.parquet").parent.parent,
        lake.file("٢٠٢٦-01-24", "00", "a.parquet").parent.parent,
        lake.write(lake.hot / DATASET / "date=2026-01-25", b"a file, no directory"),
    ]
    listing = lake.reader.listing()
    assert sorted(listing.foreign) == sorted(strange)
    assert listing.files == ()
    assert dict(listing.locations) == {FIRST: "hot"}


def test_what_a_desktop_leaves_behind_is_litter_and_no_file_of_the_lake(lake: Lake) -> None:
    lake.file(FIRST, "00", "part-1-0.parquet")
    shadow = lake.file(FIRST, "00", "._part-1-0.parquet")
    cold_shadow = lake.file(FIRST, "00", "._part-1-0.parquet", cold=True)
    litter = [
        shadow,
        cold_shadow,
        lake.file(FIRST, "00", "._part-1-1.parquet.tmp"),
        lake.file(FIRST, "00", ".DS_Store"),
        lake.file(FIRST, "00", "thumbs.db"),
        lake.write(lake.hot / DATASET / f"date={FIRST}" / ".AppleDouble" / "part-1-0.parquet", b"").parent,
        lake.write(lake.hot / DATASET / f"date={FIRST}" / "._shard=00", b""),
        lake.write(lake.hot / DATASET / f"._date={FIRST}", b""),
        lake.write(lake.hot / DATASET / "@eaDir" / "x", b"").parent,
    ]
    listing = lake.reader.listing()
    assert sorted(listing.litter) == sorted(litter)
    assert [file.path.name for file in listing.files] == ["part-1-0.parquet"]
    assert [file.path for file in listing.masked] == [shadow]
    assert (listing.temporary, listing.foreign) == ((), ())


@pytest.mark.parametrize("name", ["part._x.parquet", "x.DS_Store.parquet", "nfs01.parquet"])
def test_a_name_that_is_only_like_litter_is_a_file_of_the_lake(lake: Lake, name: str) -> None:
    lake.file(FIRST, "00", name)
    listing = lake.reader.listing()
    assert ([file.path.name for file in listing.files], listing.litter) == ([name], ())


def test_other_datasets_and_the_state_directory_are_not_walked(lake: Lake) -> None:
    lake.write(lake.hot / "events/v1/date=2026-01-24/shard=00/part.parquet", b"")
    listing = lake.reader.listing()
    assert (listing.files, listing.foreign) == ((), ())


def test_a_file_compacted_during_the_walk_is_left_out(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.file(FIRST, "00", "part-1.parquet")
    gone = lake.file(FIRST, "00", "part-2.parquet")
    stat = Path.stat

    def vanish(path: Path, **how: bool) -> object:
        if path == gone:
            gone.unlink()
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", vanish)
    assert [file.path.name for file in lake.reader.listing().files] == ["part-1.parquet"]


def test_the_lake_is_never_written(lake: Lake) -> None:
    lake.state("replication.json", replication().model_dump_json().encode())
    lake.file(FIRST, "00", "part-1.parquet")

    def everything() -> dict[Path, tuple[float, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in lake.hot.rglob("*")}

    before = everything()
    lake.reader.listing()
    lake.reader.replication()
    assert everything() == before
