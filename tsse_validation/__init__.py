"""Proves that the TSSE Parquet lake holds exactly what Postgres holds.

The packages are layers: `docs/ARCHITECTURE.md` has the flow, each package in a line, and a glossary.

A script of your own needs the names in `__all__`: read a `result.json` or `run.jsonl`, decide on it, prove a
window, draw windows, digest rows. Nothing else of the package is promised to stay. Each name is imported when it
is first used, so that importing the package costs nothing.

>>> import tsse_validation
>>> sorted(tsse_validation.__all__)[:3]
['Landmarks', 'RunResult', 'Settings']
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from tsse_validation.domain.digest import digest_days
    from tsse_validation.domain.windows import Window
    from tsse_validation.parity.landmarks import Landmarks
    from tsse_validation.parity.strategies import windows
    from tsse_validation.report.model.document import read_result_json
    from tsse_validation.runlog.result import RunResult
    from tsse_validation.settings.definitions import Settings
    from tsse_validation.steps.window_proof import prove_window
    from tsse_validation.verdict import decide

__all__ = [
    "Landmarks",
    "RunResult",
    "Settings",
    "Window",
    "decide",
    "digest_days",
    "prove_window",
    "read_result_json",
    "windows",
]
_MODULES = {
    "Landmarks": "parity.landmarks",
    "RunResult": "runlog.result",
    "Settings": "settings.definitions",
    "Window": "domain.windows",
    "decide": "verdict",
    "digest_days": "domain.digest",
    "prove_window": "steps.window_proof",
    "read_result_json": "report.model.document",
    "windows": "parity.strategies",
}


def __getattr__(name: str) -> object:
    """Import a name of `__all__`, and look up the version, when it is first used (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tsse-validation")
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
