"""What the gate's line “Incremental sync stays within 5 minutes of Postgres” rests on, in words (section 6).

It is one thing to have looked a few times within half a minute, and another to have watched for a day.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from tsse_validation.domain.instants import to_the_second
from tsse_validation.domain.phrasing import count_of, duration, listed, number
from tsse_validation.runlog.records import ReplicationSeen
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.soak_records import SoakBegan, SoakBreach, SoakGap, SoakSeen

SHORT_SECONDS = 3_600
"""A soak that has proven less than this is short, and says so."""
_MOST_BREACHES = 3
_MINUTE = 60
GAP_WORDS = {
    "asleep": "the machine slept",
    "unanswered": "nobody answered",
    "waited": "samples too far apart",
}


def rests_on(result: RunResult) -> tuple[str, ...]:
    """Return what the line rests on: the soak, or the few samples of a run without one; nothing without any."""
    if result.soak_began is None:
        return tuple(_without_a_soak(result.replication))
    if result.soak_seen is None:
        return ("A soak had begun, and nothing is proven of it.",)
    return tuple(_of_a_soak(result, result.soak_began, result.soak_seen))


def breaches(result: RunResult) -> tuple[SoakBreach, ...]:
    """Return each breach once, as it was last told, in the order in which they began."""
    by_start = {breach.start: breach for breach in result.soak_breaches}
    return tuple(by_start[start] for start in sorted(by_start))


def proven_for(seconds: float) -> str:
    """Write for how long a soak has proven the line; a short one in whole minutes, never more than there were."""
    if seconds >= SHORT_SECONDS:
        return f"proven for {duration(seconds)}"
    if seconds < _MINUTE:
        return f"proven for {count_of(max(0, int(seconds)), 'second')}"
    return f"proven for {count_of(int(seconds) // _MINUTE, 'minute')}"


def breach_in_words(breach: SoakBreach) -> str:
    """Write one breach: when, how long, how old the watermark became, and what else was seen then."""
    lasted = (
        "and had not ended when the soak did"
        if breach.end is None
        else f"for {duration((breach.end - breach.start).total_seconds())}"
    )
    seen = f"; seen then: {listed(breach.seen)}" if breach.seen else "; nothing else was seen then"
    worst = _age(breach.worst_seconds)
    return f"Breach from {to_the_second(breach.start)} {lasted}: the watermark became {worst} old{seen}."


def gaps_in_words(gaps: Sequence[SoakGap]) -> str:
    """Write how much time no sample proves anything of, and why."""
    whole = duration(sum((gap.end - gap.start).total_seconds() for gap in gaps))
    why = Counter(gap.why for gap in gaps)
    reasons = listed([f"{GAP_WORDS[kind]} ({count})" for kind, count in why.items()])
    return f"{count_of(len(gaps), 'gap')}, {whole} in sum, of which nothing is proven: {reasons}."


def _without_a_soak(looks: Sequence[ReplicationSeen]) -> Iterator[str]:
    aged = [look for look in looks if look.age_seconds is not None]
    if not aged:
        return
    span = (max(look.at for look in aged) - min(look.at for look in aged)).total_seconds()
    oldest = max(look.age_seconds or 0.0 for look in aged)
    within = f" within {duration(span)}" if len(aged) > 1 else ""
    yield (
        f"{count_of(len(aged), 'sample')}{within}: the watermark was {_age(oldest)} old at the most, and "
        f"{_age(aged[-1].age_limit_seconds)} are allowed. Nothing is known of any other time: there was no soak."
    )


def _of_a_soak(result: RunResult, began: SoakBegan, seen: SoakSeen) -> Iterator[str]:
    short = " It was short: less than an hour." if seen.proven_seconds < SHORT_SECONDS else ""
    earlier = f", together with run {began.earlier_run}" if began.earlier_run else ""
    yield (
        f"Soak: {proven_for(seen.proven_seconds)} of {duration(seen.asked_seconds)} asked for{earlier}, by "
        f"{count_of(seen.samples, 'sample')}, at the most {duration(seen.longest_gap_seconds)} apart.{short}"
    )
    if seen.ended != "completed":
        yield f"The soak did not come to its end: {seen.ended or 'its log stops in the middle'}."
    yield (
        f"Age of the watermark: {_age(seen.age_max_seconds)} at the most; p50 {_age(seen.age_p50_seconds)}, "
        f"p95 {_age(seen.age_p95_seconds)}, p99 {_age(seen.age_p99_seconds)}; allowed {_age(began.limit_seconds)}."
    )
    if seen.slices:
        yield (
            f"{count_of(seen.rows_proven, 'row')} were compared as they became due, in "
            f"{count_of(seen.slices, 'slice')}, and {count_of(seen.old_days, 'old day')} again."
        )
    if result.soak_gaps:
        yield gaps_in_words(result.soak_gaps)
    of_breaches = breaches(result)
    yield from map(breach_in_words, of_breaches[:_MOST_BREACHES])
    if len(of_breaches) > _MOST_BREACHES:
        yield f"{number(len(of_breaches) - _MOST_BREACHES)} more breaches are under Soak."


def _age(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else f"{seconds:,.0f} s"
