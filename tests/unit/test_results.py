"""The run's log, the result that it gives, and no secret in either."""

import json
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.builders import (
    BEGIN,
    DAY,
    WATERMARK,
    count_row,
    counts_taken,
    finished,
    good_run,
    planned,
    run_started,
    stack_described,
)
from tsse_validation.domain.contract import Replication
from tsse_validation.runlog.log import RunLog, read_log
from tsse_validation.runlog.records import (
    SCHEMA_VERSION,
    BackfillSeen,
    CheckStarted,
    CheckStatus,
    CountRow,
    FarmSeen,
    Finding,
    Note,
    PartitionFiles,
    PartitionsSeen,
    PostsSpent,
    Record,
    ReplicationSeen,
    RowDifference,
    RowVersion,
    RunFinished,
    SettingValue,
    WindowChecked,
)
from tsse_validation.runlog.redaction import MASK, Redactor, is_distinctive
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.session_record import SessionsUsed

KEY = "test_watermark_is_recent"

EVERYTHING: list[Record] = [
    run_started(
        settings=(SettingValue(name="sample", value="5", source="default"),), environment={"python": "3.11"}
    ),
    stack_described(),
    FarmSeen(sensors=312),
    planned(KEY),
    CheckStarted(check_id="watermark_is_recent", at=WATERMARK),
    finished(KEY, CheckStatus.WARNED, "“quoted” — ünï\u2028cödé\n second line"),
    counts_taken(CountRow("a", DAY, 10, 9, 1, 0, matches=False), count_row("b", 0, 0)),
    RowDifference(
        kind="changed_value",
        sensor_id="a",
        ts=WATERMARK,
        postgres=RowVersion("-0.0", None, None),
        lake=RowVersion("nan", 1, "2026-01-24T16:29:48.358904+00:00"),
    ),
    WindowChecked(
        edge="random",
        source="direct",
        start=BEGIN,
        end=WATERMARK,
        postgres=1,
        lake=2,
        sensors=1,
        mismatching=("a",),
    ),
    BackfillSeen(job_id="a-job", status="completed", days=90, seconds=1.5, rows_exported=1_000_000),
    PartitionsSeen(
        at=WATERMARK,
        source="inspection",
        moment="before the backfill",
        dates=(PartitionFiles(date(2026, 1, 24), "hot", 156, 123_456, 16, 10, None, WATERMARK),),
    ),
    ReplicationSeen(
        at=WATERMARK,
        source="state_file",
        age_seconds=61.5,
        age_limit_seconds=420,
        state=Replication(computed_through_ts=WATERMARK, last_run_backlog_seconds=60),
    ),
    Finding(diagnosis="rows missing", flagged=True, summary="some", days=(date(2026, 1, 24),), sensors=("a",)),
    SessionsUsed(transactions=2, longest_seconds=1.5, idle_longest_seconds=0.0, locks_most=9, tries_again=0),
    PostsSpent(spent=3, refused=1, waited_seconds=0.5, by_purpose={"inspect": 3}),
    Note(text="a note"),
    RunFinished(at=WATERMARK, reason="completed"),
]


def write(path: Path, records: list[Record], redactor: Redactor | None = None) -> Path:
    log = RunLog(path, redactor or Redactor())
    for record in records:
        log.append(record)
    log.close()
    return path


def test_every_kind_of_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    assert list(read_log(write(tmp_path / "run.jsonl", EVERYTHING))) == EVERYTHING


def test_each_record_is_one_line(tmp_path: Path) -> None:
    content = write(tmp_path / "run.jsonl", EVERYTHING).read_bytes()
    assert content.count(b"\n") == len(EVERYTHING)
    assert content.endswith(b"\n")


def test_a_record_can_be_read_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "new" / "folder" / "run.jsonl", Redactor())
    log.append(run_started())
    log.append(Note(text="one"))
    assert len(list(read_log(log.path))) == 2
    log.close()


def test_a_log_never_overwrites_another(tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl", EVERYTHING)
    with pytest.raises(FileExistsError):
        RunLog(path, Redactor())


def test_a_last_line_that_a_crash_has_cut_anywhere_is_left_out(tmp_path: Path) -> None:
    last = Note(text="“ünï” cödé")
    content = write(tmp_path / "whole", [run_started(), last]).read_bytes()
    first_line = content.index(b"\n") + 1
    torn = tmp_path / "torn"
    for cut in range(first_line, len(content)):
        torn.write_bytes(content[:cut])
        assert list(read_log(torn)) == [run_started()]


@pytest.mark.parametrize("garbage", ["{", "nonsense", "[]", "null", '{"record":"unknown"}', '{"record":"note"}'])
def test_any_other_line_that_is_no_record_is_an_error(garbage: str, tmp_path: Path) -> None:
    path = write(tmp_path / "run.jsonl", EVERYTHING)
    lines = path.read_text(encoding="utf-8").splitlines()
    for place in (0, 3, len(lines)):
        path.write_text("\n".join([*lines[:place], garbage, *lines[place:]]) + "\n", encoding="utf-8")
        with pytest.raises(ValidationError):
            list(read_log(path))


def test_bytes_that_are_no_text_are_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"record":"note","text":"\xff"}\n')
    with pytest.raises(ValidationError):
        list(read_log(path))


def test_a_record_with_a_key_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"record":"note","text":"a","more":1}\n', encoding="utf-8")
    with pytest.raises(ValidationError):
        list(read_log(path))


@pytest.mark.parametrize("secret", ["t0ken-t0ken", 'pä"ss\\wörd'])
def test_no_secret_reaches_the_file(secret: str, tmp_path: Path) -> None:
    redactor = Redactor([secret])
    path = write(tmp_path / "run.jsonl", [run_started(), Note(text=f"it is {secret}.")], redactor)
    assert list(redactor.leaks_in([path])) == []
    _, note = read_log(path)
    assert note == Note(text=f"it is {MASK}.")


@pytest.mark.parametrize("weak", ["postgres", "check", "2026", "0000"])
def test_a_weak_password_does_not_break_the_log(weak: str, tmp_path: Path) -> None:
    read = list(read_log(write(tmp_path / "run.jsonl", EVERYTHING, Redactor([weak]))))
    assert [type(record) for record in read] == [type(record) for record in EVERYTHING]


# ---- a run from its records ------------------------------------------------------------------------------------


def test_a_run_is_grouped_by_what_it_has_seen(tmp_path: Path) -> None:
    result = RunResult.from_log(write(tmp_path / "run.jsonl", EVERYTHING))
    assert result == RunResult.from_records(EVERYTHING)
    assert result.started == EVERYTHING[0]
    assert result.stack == EVERYTHING[1]
    assert [len(group) for group in (result.planned, result.checks, result.counts, result.windows)] == [1, 1, 1, 1]
    assert [len(group) for group in (result.differences, result.backfills, result.findings)] == [1, 1, 1]
    assert [len(group) for group in (result.partitions, result.replication)] == [1, 1]
    assert (result.interrupted, len(result.notes)) == ((), 1)
    assert result.posts is not None
    assert result.sessions is not None
    assert result.finished is not None


def test_a_check_that_never_ended_was_interrupted() -> None:
    started = CheckStarted(check_id="watermark_is_recent", at=WATERMARK)
    assert RunResult.from_records([run_started(), started]).interrupted == (started,)
    assert RunResult.from_records([run_started(), started, finished(KEY)]).interrupted == ()


@given(st.integers(0, len(EVERYTHING)))
def test_a_log_that_stops_anywhere_after_its_start_is_still_a_run(kept: int) -> None:
    records = EVERYTHING[:kept]
    if kept == 0:
        with pytest.raises(ValueError, match="starts once"):
            RunResult.from_records(records)
    else:
        assert (RunResult.from_records(records).finished is None) == (kept < len(EVERYTHING))


def test_a_log_that_starts_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="this one has 2"):
        RunResult.from_records([run_started(), run_started()])


def test_a_log_of_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema version"):
        RunResult.from_records([run_started(schema_version=SCHEMA_VERSION + 1)])


def test_only_passed_and_warned_prove_anything() -> None:
    assert {status for status in CheckStatus if status.proven} == {CheckStatus.PASSED, CheckStatus.WARNED}


def test_a_good_run_survives_the_log(tmp_path: Path) -> None:
    records = good_run()
    assert RunResult.from_log(write(tmp_path / "run.jsonl", records)) == RunResult.from_records(records)


SECRET = 'p@ss/w"ord\\%41'


@pytest.mark.parametrize(
    "text",
    [
        f"it is {SECRET}.",
        f"postgresql://u:{quote(SECRET, safe='')}@h/db",
        json.dumps({"password": SECRET}),
        Note(text=f"it is {SECRET}.").model_dump_json(),
        'decoded: p@ss/w"ord\\A',
    ],
)
def test_a_secret_is_masked_in_every_spelling_it_could_leak_in(text: str) -> None:
    redacted = Redactor([SECRET]).redact(text)
    assert MASK in redacted
    assert "p@ss" not in redacted
    assert quote(SECRET, safe="") not in redacted


@given(st.text(min_size=4, alphabet=st.characters(codec="utf-8")).filter(lambda text: text.strip()))
def test_no_secret_survives_in_a_record_that_is_written_as_json(secret: str) -> None:
    assume(secret not in MASK and is_distinctive(secret))
    assume(secret not in Note(text="").model_dump_json())
    line = Redactor([secret]).redact(Note(text=f"«{secret}»").model_dump_json())
    assert line == Note(text=f"«{MASK}»").model_dump_json()


def test_the_longest_of_overlapping_secrets_is_masked_first() -> None:
    redactor = Redactor(["tok3n", "tok3n-and-more"])
    assert redactor.redact("a tok3n-and-more, a tok3n") == f"a {MASK}, a {MASK}"


@pytest.mark.parametrize("short", ["", "a", "abc", "postgres", "20261124"])
def test_a_secret_of_few_letters_or_a_word_would_eat_the_text_and_is_not_known(short: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("abc a postgres 20261124", encoding="utf-8")
    redactor = Redactor([short])
    assert redactor.redact("abc a postgres 20261124") == "abc a postgres 20261124"
    assert list(redactor.leaks_in([path])) == []


def test_a_secret_is_known_from_when_it_is_added() -> None:
    redactor = Redactor()
    assert redactor.redact("a s3cret") == "a s3cret"
    redactor.add("s3cret")
    assert redactor.redact("a s3cret") == f"a {MASK}"


def test_only_the_files_that_hold_a_secret_are_named(tmp_path: Path) -> None:
    contents = {
        "plain": SECRET.encode(),
        "quoted": quote(SECRET, safe="").encode(),
        "binary": b"\x00\xff" + SECRET.encode() + b"\xfe",
        "clean": b"nothing to see",
        "masked": MASK.encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    leaks = Redactor([SECRET]).leaks_in(sorted(tmp_path.iterdir()))
    assert [path.name for path in leaks] == ["binary", "plain", "quoted"]


def test_a_redactor_without_secrets_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"anything")
    assert list(Redactor().leaks_in([path])) == []


def test_a_secret_is_found_in_a_large_file_wherever_its_reading_is_cut(tmp_path: Path) -> None:
    for at in range(4 * 2**20 - len(SECRET), 4 * 2**20 + 1, 5):
        path = tmp_path / f"{at}.csv"
        path.write_bytes(b" " * at + SECRET.encode() + b" " * 2**20)
        assert list(Redactor([SECRET]).leaks_in([path])) == [path]
        path.unlink()
