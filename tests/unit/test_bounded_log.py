"""A log of a soak that lasts is written anew with fewer lines, and is whole at every moment."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.builders import run_started
from tests.support.memory import peak_bytes
from tests.unit.test_thinning import due, sample, what_it_says
from tsse_validation.runlog.log import MOST_SOAK_LINES, RunLog, read_log
from tsse_validation.runlog.record_base import Record
from tsse_validation.runlog.records import Note, RunStarted
from tsse_validation.runlog.redaction import MASK, Redactor
from tsse_validation.runlog.soak_records import SoakEvent, SoakSample, SoakSlice

MOST = 40
OTHERS = (Note(text="“ünï” cödé"), SoakEvent(at=run_started().at, kind="restart", text="It was down for 9 s."))


def records(count: int) -> Iterator[Record]:
    yield run_started()
    for number in range(count):
        yield sample(number, 60.0 + number * 7 % 113)
        if number % 10 == 0:
            yield due(number)
            yield from OTHERS


def test_a_log_is_bounded_and_keeps_its_totals_and_every_other_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor(), MOST)
    written = list(records(1_000))
    for record in written:
        log.append(record)
        kept = list(read_log(log.path))
        assert sum(isinstance(one, SoakSample | SoakSlice) for one in kept) <= MOST
        assert kept[-1] == record or isinstance(record, SoakSample | SoakSlice)
    log.close()
    kept = list(read_log(log.path))
    assert what_it_says(kept) == what_it_says(written)
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]


def test_other_lines_are_copied_to_the_byte(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor(), MOST)
    for record in records(15):
        log.append(record)
    before = [line for line in log.path.read_bytes().splitlines() if b"soak_s" not in line]
    for number in range(15, 400):
        log.append(sample(number, 60.0))
    log.close()
    assert [line for line in log.path.read_bytes().splitlines() if b"soak_s" not in line] == before


def test_what_is_written_after_the_log_was_written_anew_is_in_it_at_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor(), MOST)
    before = log.path.stat().st_ino
    for number in range(MOST + 1):
        log.append(sample(number, 60.0))
    assert log.path.stat().st_ino != before
    log.append(Note(text="after"))
    assert list(read_log(log.path))[-1] == Note(text="after")
    log.close()


@pytest.mark.parametrize("crash_at", ["open", "fsync", "replace"])
def test_a_crash_in_the_middle_leaves_a_whole_log(
    crash_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor(), MOST)
    written = [sample(number, 60.0) for number in range(MOST + 1)]
    for record in written[:-1]:
        log.append(record)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if crash_at == "fsync":
            patch.setattr(os, "fsync", crash)
        elif crash_at == "replace":
            patch.setattr(Path, "replace", crash)
        else:
            patch.setattr(RunLog, "_anew", crash)
        with pytest.raises(KeyboardInterrupt):
            log.append(written[-1])
    assert list(read_log(log.path)) == written
    log.append(Note(text="after"))
    log.close()
    assert list(read_log(log.path))[-1] == Note(text="after")


def test_an_interrupt_right_after_the_change_goes_on_in_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor(), MOST)
    replace: Callable[[Path, Path], Path] = Path.replace

    def replaced_then_interrupted(self: Path, target: Path) -> None:
        replace(self, target)
        raise KeyboardInterrupt

    written = [sample(number, 60.0) for number in range(MOST + 1)]
    for record in written[:-1]:
        log.append(record)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replaced_then_interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.append(written[-1])
    log.append(Note(text="after"))
    log.close()
    kept = list(read_log(log.path))
    assert kept[-1] == Note(text="after")
    assert what_it_says(kept[:-1]) == what_it_says(written)


def test_a_full_disk_leaves_the_log_whole_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor(), MOST)
    written = [sample(number, 60.0) for number in range(2 * MOST + 30)]

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for record in written[: 2 * MOST]:
            log.append(record)
    kept = list(read_log(log.path))
    assert [one for one in kept if isinstance(one, SoakSample)] == written[: 2 * MOST]
    (note,) = [one for one in kept if isinstance(one, Note)]
    assert note.text.endswith("No space left on device.")
    # there is room again
    for record in written[2 * MOST :]:
        log.append(record)
    log.close()
    kept = list(read_log(log.path))
    assert sum(isinstance(one, SoakSample) for one in kept) <= MOST
    assert what_it_says(kept)[0] == len(written)


def test_what_cannot_become_fewer_does_not_have_the_log_written_anew_for_each_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor(), MOST)
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    for number in range(400):
        log.append(due(number, differing=1))
    log.close()
    assert len(list(read_log(log.path))) == 400
    assert 1 < len(flushed) <= 400 / (MOST // 2)


def test_secrets_stay_masked(tmp_path: Path) -> None:
    secret = "Zx9-" * 8
    log = RunLog(tmp_path / "run.jsonl", Redactor([secret]), MOST)
    log.append(Note(text=f"a {secret}"))
    for number in range(200):
        log.append(sample(number, 60.0))
    log.close()
    content = log.path.read_text(encoding="utf-8")
    assert secret not in content
    assert json.loads(content.splitlines()[0])["text"] == f"a {MASK}"


def test_a_hundred_thousand_samples_take_no_more_memory_and_no_more_disk(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.jsonl", Redactor())
    log.append(run_started())
    for number in range(20_000):
        log.append(sample(number, 60.0 + number % 61))
    memory, size = peak_bytes(), log.path.stat().st_size
    for number in range(20_000, 100_000):
        log.append(sample(number, 60.0 + number % 61))
    log.close()
    assert peak_bytes() - memory < 8_000_000
    assert log.path.stat().st_size < 2 * size
    kept = list(read_log(log.path))
    assert isinstance(kept[0], RunStarted)
    assert len(kept) <= MOST_SOAK_LINES + 1
    assert sum(one.stands_for for one in kept if isinstance(one, SoakSample)) == 100_000
