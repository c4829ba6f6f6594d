"""`tsse-validate seal postgres` and `compare`, as their users run them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.stacks.embedded import RunningStack
from tests.integration.cli.conftest import RunHelper, broken, day_of
from tests.support.databases import READER_PASSWORD, as_reader
from tests.support.given import given, told
from tests.support.sealing import lake_seal
from tsse_validation.domain.stack import LakePaths
from tsse_validation.lake.reader import LakeReader
from tsse_validation.seals.seal import Seal
from tsse_validation.seals.seal_file import read_seal, seal_bytes


@pytest.fixture(scope="module")
def sealed(
    after_backfill: RunHelper,
    lake_options: list[str],
    stack: RunningStack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Seal Postgres as a role with a password."""
    path = tmp_path_factory.mktemp("seals") / "postgres.seal"
    with as_reader(told(stack.stack.conninfo)) as conninfo:
        done = after_backfill("seal", "postgres", *lake_options, f"--output={path}", TSSE_DATABASE_URL=conninfo)
    assert (done.code, done.out) == (0, ""), done
    assert READER_PASSWORD not in done.err
    return path


SealTheLake = Callable[[], Seal]


@pytest.fixture(scope="module")
def seal_lake_now(sealed: Path, stack: RunningStack) -> SealTheLake:
    lake = given(stack.stack.lake)
    return lambda: lake_seal(LakeReader(LakePaths(lake.hot, lake.cold, lake.shards)), read_seal(sealed))


@pytest.fixture(scope="module")
def lake(seal_lake_now: SealTheLake, sealed: Path) -> Path:
    path = sealed.with_name("lake.seal")
    path.write_bytes(seal_bytes(seal_lake_now()))
    return path


def test_two_seals_of_a_farm_are_alike(sealed: Path, lake: Path, helper: RunHelper) -> None:
    text, by_json = helper("compare", str(sealed), str(lake)), helper("compare", str(sealed), str(lake), "--json")
    assert (text.code, by_json.code) == (0, 0), text
    assert "All alike." in text.out
    assert "A seal does not prove who made it" in text.out
    document = json.loads(by_json.out)
    assert document["alike"]
    assert document["rows"] >= 3_000
    assert not any(part["differing"] or part["left"] for part in document["parts"])


def test_no_seal_holds_a_password(sealed: Path, lake: Path) -> None:
    for path in (sealed, lake):
        assert READER_PASSWORD.encode() not in path.read_bytes()
    assert READER_PASSWORD not in read_seal(sealed).facts.model_dump_json()


def test_what_is_covered_may_come_from_the_controller_the_state_or_a_seal_of_the_lake(
    sealed: Path, lake: Path, helper: RunHelper, dsn: dict[str, str], stack: RunningStack, tmp_path: Path
) -> None:
    state = given(stack.stack.lake).hot / "_state/replication.json"
    for options in ((), (f"--from-state={state}",), (f"--as-of={lake}",)):
        path = tmp_path / "another.seal"
        done = helper("seal", "postgres", *options, f"--output={path}", **dsn)
        assert done.code == 0, done
        assert read_seal(path).lines.equals(read_seal(sealed).lines), options


def test_rows_lost_in_the_lake_are_told_by_their_sensor_days(
    sealed: Path, seal_lake_now: SealTheLake, helper: RunHelper, partition: Path, tmp_path: Path
) -> None:
    with broken(partition, tmp_path) as date:
        for path in date.glob("shard=*/*.parquet"):
            path.unlink()
        lake = tmp_path / "lake.seal"
        lake.write_bytes(seal_bytes(seal_lake_now()))
    done = helper("compare", str(sealed), str(lake))
    assert done.code == 1
    assert f"on {day_of(partition)}: Postgres " in done.out
    assert "seal lake --rows-of" in done.err
    (covered, *_) = json.loads(helper("compare", str(sealed), str(lake), "--json").out)["parts"]
    assert {row["day"] for row in covered["differing"]} == {str(day_of(partition))}


def test_seals_in_the_wrong_order_or_changed_on_the_way_are_not_compared(
    sealed: Path, lake: Path, helper: RunHelper, tmp_path: Path
) -> None:
    swapped = helper("compare", str(lake), str(sealed))
    assert (swapped.code, swapped.out) == (6, "")
    assert "Name Postgres's first." in swapped.err
    content = bytearray(lake.read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / "changed.seal"
    changed.write_bytes(content)
    done = helper("compare", str(sealed), str(changed))
    assert (done.code, done.out) == (6, "")
    assert "seal" in done.err
    assert "Traceback" not in done.err
    assert helper("compare", str(sealed), str(tmp_path / "none.seal")).code == 4


def test_a_seal_is_never_written_into_the_lake(
    after_backfill: RunHelper, lake_options: list[str], dsn: dict[str, str], stack: RunningStack
) -> None:
    path = given(stack.stack.lake).hot / "postgres.seal"
    done = after_backfill("seal", "postgres", *lake_options, f"--output={path}", **dsn)
    assert (done.code, path.exists()) == (4, False)
    assert "lies in the lake" in done.err


def test_two_sources_of_what_is_covered_are_one_too_many(
    lake: Path, helper: RunHelper, dsn: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "postgres.seal"
    done = helper("seal", "postgres", f"--as-of={lake}", f"--from-state={lake}", f"--output={path}", **dsn)
    assert (done.code, path.exists()) == (4, False)


def test_a_seal_that_is_whole_is_not_gone_on_with(
    sealed: Path, lake: Path, helper: RunHelper, dsn: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "postgres.seal"
    done = helper("seal", "postgres", f"--as-of={lake}", f"--resume={sealed}", f"--output={path}", **dsn)
    assert (done.code, path.exists()) == (6, False)
    assert "it is complete" in done.err
    assert "Leave --resume out" in done.err
