"""Contender: reladiff with its own defaults, and `value` as the double that it is.

Only the key is prepared for it, for without that it cannot be run. It rounds doubles otherwise on either side, so
that it sees differences in equal data, and then reads the rows there.
"""

from tools.benchmarks import with_reladiff
from tools.benchmarks.case import Answer, Case

VIEW = "metrics_reladiff_as_it_comes"


def prepare(case: Case) -> None:
    """Make the view of the lake."""
    with_reladiff.make_view(case, VIEW, "value")


def run(case: Case) -> Answer:
    """Compare the window."""
    return with_reladiff.compare(case, VIEW)
