"""Many windows counted in one pass: time is cut wherever one of them begins or ends. Pure.

No tile lies partly within a window. So the counts of tiles add up to those of each window, however the windows
overlap, and what lies in several windows is read once.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tsse_validation.domain.instants import MICROSECOND
from tsse_validation.domain.windows import Window


@dataclass(frozen=True)
class Tiling:
    """Some windows, at least one, and the tiles that they are cut into.

    Tile `n` reaches from `cuts[n]` up to but not including `cuts[n + 1]`. Some tiles lie between two windows, and
    within none; they are nowhere counted.
    """

    windows: Sequence[Window]

    @cached_property
    def cuts(self) -> list[datetime]:
        """The instants at which a tile begins, ascending; with the last one, everything has ended."""
        begins = {window.start for window in self.windows}
        return sorted(begins | {window.end + MICROSECOND for window in self.windows})

    @cached_property
    def spans(self) -> list[Window]:
        """What the windows cover, as few windows as possible, ascending: none overlap, or touch."""
        joined: list[Window] = []
        for window in sorted(self.windows):
            if joined and window.start <= joined[-1].end + MICROSECOND:
                joined[-1] = Window(joined[-1].start, max(joined[-1].end, window.end))
            else:
                joined.append(window)
        return joined

    def spans_in(self, part: Window) -> list[Window]:
        """Return what the windows cover of a part of time."""
        return [within for span in self.spans if (within := span.clamp(part)) is not None]

    def tiles_of(self, window: Window) -> range:
        """Return the tiles that together are one of the windows."""
        return range(bisect_left(self.cuts, window.start), bisect_left(self.cuts, window.end + MICROSECOND))

    def tiles_in(self, part: Window) -> Iterator[tuple[int, Window]]:
        """Yield what lies in a part of time of each tile that is within a window, a piece for each UTC day."""
        for span in self.spans:
            for tile in self.tiles_of(span):
                whole = Window(self.cuts[tile], self.cuts[tile + 1] - MICROSECOND)
                if (within := whole.clamp(part)) is not None:
                    yield from ((tile, piece) for piece in within.split_by_day())

    def ended_by(self, instant: datetime) -> int:
        """Return how many of the windows end at an instant, or before."""
        return sum(window.end <= instant for window in self.windows)
