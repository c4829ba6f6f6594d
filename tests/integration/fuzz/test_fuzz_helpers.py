"""Whatever a helper prints: it is understood, or it proves nothing and is told in a sentence."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.fuzz import samples
from tests.integration.fuzz.mutating import INPUTS, SEED, mutated, texts
from tsse_validation.clients.helper_output import (
    HelperEnd,
    backfill_said,
    counts_in,
    failed_job,
    inspector_said,
    job_created,
    parity_said,
    tail_of,
    why_it_failed,
)
from tsse_validation.domain.errors import NotCheckedError, PromiseBrokenError, SuiteError

DATA = Path(__file__).parents[2] / "data" / "helpers"
_REPORT = "parity-report.md"


def ends(name: str, read: Callable[[str], object]) -> None:
    """Read mutations of a real text: one at least is understood, the others are refused in one line."""
    rng, understood, refused = random.Random(SEED), 0, list[str]()
    for _ in range(INPUTS):
        text = mutated((DATA / name).read_bytes(), rng).decode("utf-8", "replace")
        try:
            read(text)
            understood += 1
        except NotCheckedError as error:
            refused.append(error.message)
    assert understood
    assert all("\n" not in message and len(message) < 600 for message in refused)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("backfill-wait.txt", backfill_said),
        ("parity-api.txt", parity_said),
        ("inspector-api.json", inspector_said),
        (_REPORT, counts_in),
        ("backfill-wait.txt", job_created),
        ("parity-mismatch-flag.txt", failed_job),
    ],
)
def test_a_real_text_gone_wrong_is_understood_or_refused(name: str, read: Callable[[str], object]) -> None:
    ends(name, read)


def test_an_inspection_of_any_structure_is_understood_or_refused() -> None:
    understood = 0
    for content in texts(samples.INSPECTED | {"job_id": "9b2f6a0e-6d0e-4a5c-8a58-0d0b2c7d2f10"}):
        with suppress(NotCheckedError):
            inspector_said(content.decode("utf-8", "replace"))
            understood += 1
    assert understood


def test_a_backfills_result_of_any_structure_is_understood_or_refused() -> None:
    lines = (DATA / "backfill-wait.txt").read_text(encoding="utf-8").partition("result: ")[0]
    for content in texts(samples.BACKFILLED["result"]):
        with suppress(NotCheckedError):
            backfill_said(f"{lines}result: {content.decode('utf-8', 'replace')}")


def test_an_end_of_any_kind_is_told_and_never_speaks_against_the_release() -> None:
    rng = random.Random(SEED)
    real = (DATA / "backfill-unreachable.txt").read_bytes() + (DATA / "inspector-bad-token.txt").read_bytes()
    for _ in range(INPUTS):
        text = mutated(real, rng).decode("utf-8", "replace")
        end = HelperEnd(rng.choice((None, 1, 2, -9, 101)), json.dumps(text), text, 1.0)
        error = why_it_failed("tsse_lake_x", end)
        assert isinstance(error, SuiteError)
        assert not isinstance(error, PromiseBrokenError)
        assert "\n" not in error.message
        assert len(tail_of(end, 12)) <= 12
