import os
import signal
import threading

import pytest

from tsse_validation.steps.interrupts import deferred_interrupts


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_block(steps: list[int], depth: int) -> None:
    with deferred_interrupts():
        if depth > 1:
            interrupted_block(steps, depth - 1)
        else:
            interrupt()
        steps.append(depth)


def failing_block() -> None:
    with deferred_interrupts():
        interrupt()
        raise OSError("disk full")


@pytest.mark.parametrize("depth", [1, 2])
def test_ctrl_c_during_a_block_or_nested_ones_comes_right_after_it(depth: int) -> None:
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_block(steps, depth)
    assert steps == list(range(1, depth + 1))


def test_ctrl_c_comes_at_once_again_after_the_block() -> None:
    with deferred_interrupts():
        pass
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_an_error_in_the_block_is_not_lost_behind_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        failing_block()
    assert isinstance(caught.value.__context__, OSError)


def test_other_threads_are_left_alone() -> None:
    handlers = []

    def look() -> None:
        with deferred_interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
