"""The stack under validation: where its services are, and what the suite may look at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from tsse_validation.domain.errors import SettingsError
from tsse_validation.domain.stack import Capability, LakePaths
from tsse_validation.runlog.records import ServiceEnded, StackComponent
from tsse_validation.settings.credentials import conninfo_of, read_token, token_of
from tsse_validation.settings.discovery import FOUND
from tsse_validation.settings.loading import LoadedSettings


@dataclass(frozen=True)
class Stack:
    """A controller to validate, live or provisioned.

    `owned` is true only for a stack that this run has started and may break; `ended` then returns the services
    that run no more.
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


QDRANT_PORT = 6333


def absent_capabilities(loaded: LoadedSettings) -> dict[Capability, str]:
    """Return what the suite cannot look at with these settings, and why, without contacting anything."""
    settings, withheld = loaded.settings, loaded.withheld
    absent = {}
    if settings.skip_qdrant:
        absent[Capability.QDRANT] = "left out by --skip-qdrant"
    if not settings.live:
        return absent
    if settings.database_url is None and settings.setup_config is None:
        absent[Capability.POSTGRES] = withheld.get("setup_config", "no --database-url or --setup-config was given")
    if settings.hot_path is None and not settings.sealed:
        absent[Capability.LAKE] = withheld.get("hot_path") or withheld.get("cold_path", "no --hot-path was given")
    if settings.view_token_file is None:
        absent[Capability.VIEW_TOKEN] = "no --view-token-file was given"
    if settings.auth_token_file is None:
        absent[Capability.TOKEN_FILE] = "the token did not come from a file"
    return absent


def live_stack(loaded: LoadedSettings) -> Stack:
    """Describe the controller that the settings name; errors as in `token_of` and `conninfo_of`."""
    settings = loaded.settings
    if settings.base_url is None:
        raise SettingsError("a live stack needs --base-url")
    return Stack(
        kind="live",
        base_url=settings.base_url,
        token=token_of(settings),
        components=(
            StackComponent(name="core-server", description=f"the installed controller at {settings.base_url}"),
        ),
        qdrant_url=settings.qdrant_url or default_qdrant(settings.base_url),
        conninfo=conninfo_of(settings),
        lake=_lake(loaded),
        view_token=read_token(settings.view_token_file) if settings.view_token_file else None,
        token_file=settings.auth_token_file,
    )


def _lake(loaded: LoadedSettings) -> LakePaths | None:
    settings = loaded.settings
    if settings.hot_path is None:
        return None
    found = loaded.sources.get("hot_path", "").startswith(FOUND)
    return LakePaths(settings.hot_path, settings.cold_path, settings.shards, found)


def default_qdrant(base_url: str) -> str:
    """Return where Qdrant is beside a core-server (contract section 1)."""
    host = urlsplit(base_url).hostname or "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{QDRANT_PORT}"
