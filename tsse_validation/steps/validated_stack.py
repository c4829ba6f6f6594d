"""The stack under validation: where its services are, and what the suite was given to look at them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from tsse_validation.domain.stack import LakePaths
from tsse_validation.runlog.records import ServiceEnded, StackComponent


@dataclass(frozen=True)
class Stack:
    """A controller to validate, live or provisioned.

    `owned` is true only for a stack that this run has started and may break; `ended` then looks which of its
    services do not run any more.
    """

    kind: str
    base_url: str
    token: SecretStr = field(repr=False)
    components: tuple[StackComponent, ...] = ()
    owned: bool = False
    qdrant_url: str | None = None
    conninfo: SecretStr | None = field(default=None, repr=False)
    lake: LakePaths | None = None
    view_token: SecretStr | None = field(default=None, repr=False)
    token_file: Path | None = None
    logs: Mapping[str, Path] = field(default_factory=dict)
    ended: Callable[[], tuple[ServiceEnded, ...]] = field(default=tuple, repr=False, compare=False)
