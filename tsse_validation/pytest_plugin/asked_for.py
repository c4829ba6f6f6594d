"""What is no part of the runbook runs only when it is asked for, and failures never on a live controller."""

import re

import pytest

from tsse_validation.domain.catalogue import HELPER_CHECKS, SOAK_CHECKS
from tsse_validation.pytest_plugin.options import FAILURES, RUN, refuse_failures_where_live
from tsse_validation.pytest_plugin.ordering import check_key

_ASKED_FOR = ("conformance", FAILURES)
"""The markers of the tests that run only when `-m` names them, or a path their file."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are no part of the runbook, unless they are asked for.

    A soak's checks exist only where one is asked for: nothing is missed elsewhere, so nothing is told.
    """
    run = config.stash.get(RUN, None)
    if run is None or not run.settings.soak:
        items[:] = [item for item in items if check_key(item) not in SOAK_CHECKS]
    helpers = config.getoption("tsse_helpers", None) if run is None else run.settings.helpers
    left_out = [
        item
        for item in items
        if (check_key(item) in HELPER_CHECKS and not helpers)
        or any(_left_out(config, item, of) for of in _ASKED_FOR)
    ]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _left_out(config: pytest.Config, item: pytest.Item, marker: str) -> bool:
    named = re.search(rf"\b{marker}\b", config.option.markexpr or "")
    return not named and item.get_closest_marker(marker) is not None and not _file_is_named(config, item)


def _file_is_named(config: pytest.Config, item: pytest.Item) -> bool:
    paths = (config.invocation_params.dir / argument.split("::", 1)[0] for argument in config.args)
    return any(path.resolve() == item.path for path in paths)


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def pytest_refuse_failures_on_a_live_controller(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse failures that a path has named, and not `-m`: those were refused before anything was written."""
    run = config.stash.get(RUN, None)
    if run is not None and any(item.get_closest_marker(FAILURES) for item in items):
        refuse_failures_where_live(run.loaded)
