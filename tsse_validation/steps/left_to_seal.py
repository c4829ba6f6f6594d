"""Which checks a run leaves out whose lake is told by a seal: it has no rows, and is made after the backfill."""

from collections.abc import Mapping

from tsse_validation.domain.catalogue import SOAK_CHECKS
from tsse_validation.domain.errors import LeftToSealError, NotCheckedError
from tsse_validation.domain.stack import Capability
from tsse_validation.settings.definitions import Settings

_AFTER_THE_BACKFILL = "the lake is sealed after the backfill: the seal is held against the inspection then"
_LEFT: Mapping[str, str] = {
    "test_lake_state_files_are_readable": _AFTER_THE_BACKFILL,
    "test_direct_inspection_agrees_with_the_api": _AFTER_THE_BACKFILL,
    "test_random_windows_agree_by_direct_count": "a seal holds no windows: its digests are of every row in them",
}
"""Checks of which a proof by a seal shows all that they would."""
_SOAK = "a seal tells of the lake as it was: what a soak compares needs --hot-path"


def hold_not_left(settings: Settings, key: str) -> None:
    """Raise LeftToSealError for a check that a proof by the lake's seal makes up for.

    Raises NotCheckedError for one that no seal makes up for.
    """
    if not settings.sealed:
        return
    if key in _LEFT:
        msg = f"left out: {_LEFT[key]}"
        raise LeftToSealError(msg)
    spec = SOAK_CHECKS.get(key)
    if spec is not None and Capability.LAKE in spec.requires:
        raise NotCheckedError(_SOAK)
