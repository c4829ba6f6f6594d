"""Goes on with a soak's samples while rows are compared: that may take minutes, and must leave no gap."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from tsse_validation.domain.soak_tally import WatermarkLook


@contextmanager
def looks_meanwhile(look: Callable[[], WatermarkLook | None], pace: float) -> Iterator[list[WatermarkLook]]:
    """Look every `pace` seconds during the block, in a thread of its own; the list has what was seen, in order.

    `look` must raise nothing, and write nothing: the log is the main thread's.
    """
    seen: list[WatermarkLook] = []
    over = Event()

    def go_on() -> None:
        while not over.wait(pace):
            if (found := look()) is not None:
                seen.append(found)

    thread = Thread(target=go_on, name="samples of a soak", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
