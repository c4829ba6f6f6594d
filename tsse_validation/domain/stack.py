"""What of a stack the suite may look at, and where its lake is."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

STATE_DIR = "_state"
"""Where a hot directory keeps the lake's state (contract section 4)."""


class Capability(StrEnum):
    """What the suite can look at; a check that needs an absent one is "not checked", never passed."""

    POSTGRES = "postgres"
    LAKE = "lake"
    QDRANT = "qdrant"
    VIEW_TOKEN = "view_token"  # noqa: S105 - the name of a capability, not a token
    TOKEN_FILE = "token_file"  # noqa: S105


@dataclass(frozen=True)
class LakePaths:
    """The lake's directories on this machine (contract section 4); `found` says that nobody has given them."""

    hot: Path
    cold: Path | None = None
    shards: int = 16
    found: bool = False
