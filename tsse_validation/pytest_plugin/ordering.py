"""The step mechanism: runbook order, blocked steps, and checks that are left out."""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from tsse_validation.domain.catalogue import CHECKS, OTHER_CHECKS, spec_of
from tsse_validation.domain.errors import LogError, NotCheckedError
from tsse_validation.domain.stack import Capability
from tsse_validation.pytest_plugin.options import RUN
from tsse_validation.runlog.check_records import CheckPlanned
from tsse_validation.steps.left_to_seal import hold_not_left

if TYPE_CHECKING:
    from tsse_validation.steps.run import ValidationRun

_DESELECTED = pytest.StashKey[list[pytest.Item]]()
_MARKERS = (
    "tier_a: safe on an installed controller: reads, and the runbook's own jobs",
    "conformance: the contract's endpoints, case by case; runs only when it is named by -m",
    "failures: crashes on a stack of our own that must lose nothing; runs only when it is named by -m",
    "nightly: the runbook on a stack that the suite owns and may break; nothing on a live controller",
    "step(n): the runbook step a check belongs to; what it builds on, the catalogue says",
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that the runbook's tests carry."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


def step_of(item: pytest.Item) -> int | None:
    """Return the step of a test, or `None` when it is no part of the runbook.

    Raises pytest.UsageError when the marker is not used as `step(n)`.
    """
    marker = item.get_closest_marker("step")
    if marker is None:
        return None
    if marker.kwargs or len(marker.args) != 1 or not isinstance(marker.args[0], int):
        msg = f"{item.nodeid}: the marker is step(n), with the number of a step"
        raise pytest.UsageError(msg)
    return marker.args[0]


def check_key(item: pytest.Item) -> str:
    """Return the catalogue's key of a test: the name of its function."""
    return str(getattr(item, "originalname", None) or item.name)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remember what was deselected: the verdict must say so."""
    for item in items:
        item.config.stash.setdefault(_DESELECTED, []).append(item)


@pytest.hookimpl(tryfirst=True, specname="pytest_collection_modifyitems")
def pytest_mark_what_our_own_stack_allows(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the runbook `nightly` before `-m` looks for it, but never for a live controller."""
    run = config.stash.get(RUN, None)
    if run is not None and run.settings.live:
        return
    for item in items:
        if step_of(item) is not None:
            item.add_marker(pytest.mark.nightly)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Sort the steps into runbook order, whatever others have made of it, and record the plan."""
    outcome = yield
    _sort(items)
    run = config.stash.get(RUN, None)
    if run is not None:
        try:
            _write_plan(run, items, selected=True)
            _write_plan(run, config.stash.get(_DESELECTED, []), selected=False)
        except LogError as error:
            raise pytest.exit.Exception(str(error)) from None
    return outcome


def _sort(items: list[pytest.Item]) -> None:
    steps = {item.nodeid: step_of(item) for item in items}
    last = max({**CHECKS, **OTHER_CHECKS}.values(), key=lambda spec: spec.step).step + 1
    lines = {key: line for line, key in enumerate(CHECKS)}

    def place(item: pytest.Item) -> tuple[int, int]:
        step = steps[item.nodeid]
        return (last if step is None else step, lines.get(check_key(item), len(lines)))

    items.sort(key=place)


def _write_plan(run: "ValidationRun", items: list[pytest.Item], *, selected: bool) -> None:
    for item in items:
        step = step_of(item)
        if step is not None:
            key = check_key(item)
            run.record(CheckPlanned(check_id=check_id(item), key=key, step=step, selected=selected))


def check_id(item: pytest.Item) -> str:
    """Return the id of a check in log and reports: its name with its parameters, without the file."""
    return item.name.removeprefix("test_")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out a check when what it builds on, or a source that it reads, is missing.

    Raises BlockedError when a check that this one builds on failed, or its step did not run; NotCheckedError when
    what the check reads cannot be looked at on this stack; NotAllowedError when it has run already.
    """
    run, step = item.config.stash.get(RUN, None), step_of(item)
    if run is None or step is None:
        return
    run.hold_once("setup", check_id(item))
    run.checks.hold_free(check_key(item))
    if reason := _absent(item, run):
        raise NotCheckedError(reason)
    hold_not_left(run.settings, check_key(item))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Hold that a check's function is called once: plugins that try again need not set it up again.

    Raises NotAllowedError when it was called already.
    """
    run = pyfuncitem.config.stash.get(RUN, None)
    if run is not None and step_of(pyfuncitem) is not None:
        run.hold_once("call", check_id(pyfuncitem))


def _absent(item: pytest.Item, run: "ValidationRun") -> str | None:
    spec = spec_of(check_key(item))
    missing = [capability for capability in Capability if spec and capability in spec.requires & set(run.absent)]
    return "; ".join(run.absent[capability] for capability in missing) or None


def pytest_make_parametrize_id(val: object) -> str | None:
    """Give parameters ids that are safe in every report: letters, digits and dashes."""
    text = str(val) if isinstance(val, str | int | float) else None
    return None if text is None else "".join(c if c.isalnum() and c.isascii() else "-" for c in text)
