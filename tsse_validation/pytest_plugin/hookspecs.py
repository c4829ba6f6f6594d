"""The hooks by which a test bed provides stacks to the suite's pytest plugin."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tsse_validation.conformance.subject import Bench
    from tsse_validation.failures.arena import Arena
    from tsse_validation.steps.run import ValidationRun
    from tsse_validation.steps.validated_stack import Stack


@pytest.hookspec(firstresult=True)
def pytest_tsse_provide_stack(
    run: "ValidationRun", say: Callable[[str], None]
) -> "AbstractContextManager[Stack] | None":
    """Return a stack of the kind that the run's settings ask for; it is started on entry and ended on exit.

    `say` shows a line of progress. No hook is called when a live controller is named.

    Raises (on entry):
        StackError: the stack cannot be started; what was started is gone again.
    """


@pytest.hookspec(firstresult=True)
def pytest_tsse_provide_bench(stack: "Stack") -> "Bench | None":
    """Return where a provided stack is prepared and broken for the conformance tests."""


@pytest.hookspec(firstresult=True)
def pytest_tsse_provide_arena(
    run: "ValidationRun", say: Callable[[str], None]
) -> "AbstractContextManager[Arena] | None":
    """Return a small stack of its own on which failures are tried, as the run's settings ask for it.

    It is started and saved on entry, and gone after exit, whatever was killed. `say` shows a line of progress. No
    hook is called when a live controller is named.

    Raises (on entry):
        StackError: the stack cannot be started; what was started is gone again.
    """
