"""The runbook's steps as plain functions, called by pytest and by the command line alike.

The runbook's checks call them as `steps.MODULE.function`. The module is imported when it is first used: a session
that only collects the checks imports none of them.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsse_validation.steps import backfilling as backfilling
    from tsse_validation.steps import drawing as drawing
    from tsse_validation.steps import helped_backfill as helped_backfill
    from tsse_validation.steps import helping as helping
    from tsse_validation.steps import identifying as identifying
    from tsse_validation.steps import inspecting as inspecting
    from tsse_validation.steps import loss_guard as loss_guard
    from tsse_validation.steps import proving as proving
    from tsse_validation.steps import proving_beyond as proving_beyond
    from tsse_validation.steps import services as services
    from tsse_validation.steps import soak_checks as soak_checks
    from tsse_validation.steps import spot_checking as spot_checking
    from tsse_validation.steps import watermark as watermark


def __getattr__(name: str) -> object:
    """Import a module of this package when it is first used (PEP 562)."""
    module = f"{__name__}.{name}"
    if find_spec(module) is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return import_module(module)
