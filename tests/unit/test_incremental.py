"""What the gate's line of five minutes rests on is said as it is: long or short, with gaps and breaches."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import run_started
from tests.support.report_builders import breached, go, replication, result, soaked
from tests.support.soaked import BEGAN, eventful, quiet, soak_began, soak_seen
from tsse_validation.domain.catalogue import Gate
from tsse_validation.incremental import breaches, proven_for, rests_on
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.soak_records import SoakBreach
from tsse_validation.verdict import decide


def said(of: RunResult) -> str:
    return " ".join(rests_on(of))


def test_without_a_soak_it_says_on_how_little_it_rests() -> None:
    assert rests_on(result(run_started(), *replication(61.5, 118.0, 7.25))) == (
        (
            "3 samples within 1 min 00 s: the watermark was 118 s old at the most, and 420 s are allowed. "
            "Nothing is known of any other time: there was no soak."
        ),
    )
    assert rests_on(result(run_started(), *replication(None))) == ()
    assert said(result(run_started(), *replication(61.5))).startswith("1 sample: the watermark was 62 s old")


def test_a_soak_of_under_an_hour_says_so() -> None:
    words = said(soaked())
    assert (
        "Soak: proven for 10 minutes of 10 min 00 s asked for, by 121 samples, at the most 5.0 s apart." in words
    )
    assert "It was short: less than an hour." in words
    assert "119 s at the most; p50 90 s, p95 117 s, p99 119 s; allowed 420 s." in words
    assert "short" not in said(result(run_started(), *quiet(3_600)))


def test_each_breach_says_when_how_long_and_what_else_was_seen() -> None:
    words = said(breached())
    assert (
        "Breach from 2026-01-24 18:57:25 UTC for 14 min 00 s: the watermark became 1,255 s old; seen then: "
        "core-server did not answer and a restart."
    ) in words
    assert "1 gap, 25 min 00 s in sum, of which nothing is proven: the machine slept (1)." in words
    assert "together with run 20260123T162000Z-live-0a1b" in words


def test_a_breach_that_is_told_twice_is_one_as_it_was_told_last() -> None:
    (breach,) = breaches(result(run_started(), *eventful()))
    assert (breach.worst_seconds, breach.end is None) == (1_255.0, False)


def test_more_breaches_than_are_told_are_counted() -> None:
    many = [
        SoakBreach(start=BEGAN + timedelta(hours=number), end=None, worst_seconds=500, worst_at=BEGAN)
        for number in range(9)
    ]
    words = said(result(run_started(), soak_began(9.0), *many, soak_seen(9.0, 9.0, 2)))
    assert words.count("had not ended when the soak did") == 3
    assert "6 more breaches are under Soak." in words


@pytest.mark.parametrize(
    ("ended", "told"),
    [("interrupted", "did not come to its end: interrupted"), ("", "its log stops in the middle")],
)
def test_a_soak_that_did_not_come_to_its_end_says_so(ended: str, told: str) -> None:
    of = result(run_started(), soak_began(600), soak_seen(600, 100, 20, ended=ended))
    assert told in said(of)
    assert "proven for 1 minute of" in said(of)


def test_a_soak_that_left_nothing_proves_nothing() -> None:
    assert rests_on(result(run_started(), soak_began(600))) == ("A soak had begun, and nothing is proven of it.",)


@given(st.floats(0, 10**7))
def test_the_time_that_is_told_as_proven_is_never_more_than_was_proven(seconds: float) -> None:
    words = proven_for(seconds).split()
    if seconds < 3_600:
        unit = 60 if words[3].startswith("minute") else 1
        assert int(words[2]) * unit <= seconds


def test_only_the_line_of_five_minutes_rests_on_it() -> None:
    lines = {gate.gate: gate.rests_on for gate in decide(soaked()).gates}
    assert lines[Gate.INCREMENTAL] == rests_on(soaked())
    assert not any(of for gate, of in lines.items() if gate is not Gate.INCREMENTAL)
    assert "no soak" in " ".join(rests_on(go()))
