"""What a run's seal of the lake is worth to its grade: a proof, or what keeps it from one and what to do. Pure.

Each seal that a run has used is held: one that leaves something open, or rests on what nobody has accepted, is
enough to keep the run from a proof.
"""

from datetime import date

from tsse_validation.domain.instants import to_the_second
from tsse_validation.domain.phrasing import count_of, listed
from tsse_validation.runlog.result import RunResult
from tsse_validation.runlog.seal_record import SealUsed

ACCEPT_BASELINE = "--accept-baseline"
_ASKED_BY = frozenset({"lake_seal", "await_seal"})


def lake_seals(result: RunResult) -> list[SealUsed]:
    """Return the seals that told of the lake."""
    return [seal for seal in result.seals if seal.side == "lake"]


def lake_by_seal(result: RunResult) -> bool:
    """Whether the lake was to be told by a seal, or was."""
    asked = any(one.name in _ASKED_BY and one.source != "default" for one in result.started.settings)
    return asked or bool(lake_seals(result))


def seal_flaw(result: RunResult) -> str:
    """Say what to do for the lake's seal to be a proof, and why it is none.

    It says nothing where it is one, or where the lake is read by us.
    """
    if not lake_by_seal(result):
        return ""
    seals = lake_seals(result)
    if not seals:
        return "seal the lake, for no seal of it was taken up (tsse-validate seal lake)"
    if left := sum(seal.left for seal in seals):
        return (
            "seal the lake again, --as-of the seal of Postgres and by who can read all its files, for "
            f"{count_of(left, 'sensor-day')} of it {'is' if left == 1 else 'are'} proven neither way"
        )
    baseline = baseline_of(result)
    if baseline and not baseline_accepted_by(result):
        return (
            f"seal the lake again with --verify-all, or accept the baseline by {ACCEPT_BASELINE}, for {baseline}"
        )
    return ""


def takes_over(seal: SealUsed) -> bool:
    """Whether some digest of a seal is an earlier one's, by what it says of days or by what it says of files."""
    return bool(seal.rests_on) or seal.unchanged > seal.reread


def baseline_accepted_by(result: RunResult) -> str:
    """Return the option that lets days of an earlier seal count, with its source; empty where none does."""
    for one in result.started.settings:
        if one.name == "accept_baseline" and one.value.lower() == "true":
            return f"{ACCEPT_BASELINE} ({one.source})"
    return ""


def days_taken_over(seal: SealUsed) -> list[date]:
    """Return the days with digests of an earlier seal, in order, each once."""
    return sorted({day for earlier in seal.rests_on for day in earlier.days})


def baseline_of(result: RunResult) -> str:
    """Say how many of the lake's days rest on what was read when; empty where all was read for its seals."""
    return "; ".join(baseline_in_words(seal) for seal in lake_seals(result) if takes_over(seal))


def baseline_in_words(seal: SealUsed) -> str:
    """Say how many days of a seal rest on what was read when, and how much of that was read again."""
    days, whole = len(days_taken_over(seal)), count_of(seal.days, "day")
    of = f"{days} of {whole} {'rests' if days == 1 else 'rest'}" if days else f"an unknown part of {whole} rests"
    read = listed([to_the_second(at) for at in sorted({earlier.read_at for earlier in seal.rests_on})])
    when = f"on files read on {read}" if read else "on files that an earlier seal has read"
    return f"{of} {when}, unchanged by path, size, time and footer since; {_reread(seal)}"


def _reread(seal: SealUsed) -> str:
    if not seal.reread:
        return "none of them was read again"
    # a share is cut, so that 100 % are all
    return f"{100 * seal.reread // max(seal.unchanged, seal.reread)} % of them were read again, and are alike"


def lake_in_words(result: RunResult) -> str:
    """Say who has read the lake, where and when."""
    read = [
        f"{seal.user} on {seal.host} at {to_the_second(seal.made_at)} and sealed" for seal in lake_seals(result)
    ]
    return f"the lake read by {listed(read)}" if read else "no seal of the lake"
