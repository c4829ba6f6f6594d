"""What a soak was asked for, and what the records bear out of it: its part in the verdict. Pure."""

from collections.abc import Iterator

from tsse_validation.domain.durations import Duration
from tsse_validation.domain.phrasing import count_of
from tsse_validation.domain.soak_tally import LEAST_SHARE
from tsse_validation.runlog.result import RunResult


def soak_asked(result: RunResult) -> Duration:
    """Return how long the run was to soak; nothing where it was not, or its log does not say."""
    try:
        return Duration.parse(result.started.value_of("soak", "0"))
    except ValueError:
        return Duration(0)


def soak_gaps(result: RunResult) -> Iterator[str]:
    """Yield what a soak that was asked for lacks to speak for the gate's line of incremental sync."""
    asked = soak_asked(result)
    if not asked:
        return
    seen = result.soak_seen
    if seen is None or not seen.samples:
        yield f"a soak of {asked} was asked for, and no sample of it was taken"
    elif seen.ended != "completed":
        yield f"the soak of {asked} did not come to its end"
    elif seen.proven_seconds < LEAST_SHARE * asked.total_seconds():
        yield (
            f"{Duration(seconds=int(seen.proven_seconds))} of the soak's {asked} are proven "
            f"({count_of(seen.samples, 'sample')}, at the most {seen.longest_gap_seconds:.0f} s apart)"
        )
