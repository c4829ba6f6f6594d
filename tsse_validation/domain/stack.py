"""What is under validation: where the services are, and what of them the suite may look at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr


class Capability(StrEnum):
    """What the suite can look at; a check that needs what is absent is "not checked", never passed."""

    POSTGRES = "postgres"
    LAKE = "lake"
    QDRANT = "qdrant"
    VIEW_TOKEN = "view_token"  # noqa: S105 - the name of a capability, not a token
    TOKEN_FILE = "token_file"  # noqa: S105


@dataclass(frozen=True)
class LakePaths:
    """The lake's directories on this machine (contract section 4)."""

    hot: Path
    cold: Path | None = None
    shards: int = 16


@dataclass(frozen=True)
class Component:
    """One service of the stack, for the report: what it really is, stand-ins plainly named."""

    name: str
    description: str
    version: str = ""


@dataclass(frozen=True)
class ServiceEnd:
    """A service that ended while it was needed: how, in words, and the last lines of its log, secrets masked."""

    name: str
    how: str
    log_tail: str


@dataclass(frozen=True)
class Stack:
    """A controller to validate, live or provisioned.

    `owned` is true only for a stack that this run has started and may break; `ended` then looks which of its
    services do not run any more.
    """

    kind: str
    base_url: str
    token: SecretStr = field(repr=False)
    components: tuple[Component, ...] = ()
    owned: bool = False
    qdrant_url: str | None = None
    conninfo: SecretStr | None = field(default=None, repr=False)
    lake: LakePaths | None = None
    view_token: SecretStr | None = field(default=None, repr=False)
    token_file: Path | None = None
    logs: Mapping[str, Path] = field(default_factory=dict)
    ended: Callable[[], tuple[ServiceEnd, ...]] = field(default=tuple, repr=False, compare=False)
