import os
import signal
import threading

import pytest

from tsse_validation.steps.interrupts import deferred_interrupts


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_block(steps: list[str]) -> None:
    with deferred_interrupts():
        interrupt()
        steps.append("went on")


def interrupted_inner_block(steps: list[str]) -> None:
    with deferred_interrupts():
        interrupted_block(steps)
        steps.append("went on outside")


def failing_block() -> None:
    with deferred_interrupts():
        interrupt()
        raise OSError("disk full")


def test_ctrl_c_during_the_block_comes_right_after_it() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_block(steps)
    assert steps == ["went on"]


def test_ctrl_c_comes_at_once_again_after_the_block() -> None:
    with deferred_interrupts():
        pass
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_blocks_may_nest() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_inner_block(steps)
    assert steps == ["went on", "went on outside"]


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
