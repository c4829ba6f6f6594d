"""Finds the controller's own database and lake on the host that it runs on, where nothing else was given.

Looked at are the default places of an installation below one data root, and the controller's own variables
(contract sections 1, 4 and 7); nothing else, and nothing is contacted.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tsse_validation.domain.errors import SettingsError
from tsse_validation.settings.credentials import hold_setup_config
from tsse_validation.settings.files import RUN_AS_OWNER, UnreadableError, is_there
from tsse_validation.settings.lake_places import hold_cold_directory, hold_hot_directory

DATA_ROOT = Path("/Users/Shared/FarmDashboard")
"""Where an installation keeps its data, unless its `CORE_DATA_ROOT` says otherwise."""
HOT_LAKE = Path("storage/analysis/lake/hot")
SETUP_CONFIG = Path("setup/config.json")
FOUND = "found"
"""The source of a value that was not given; where it was found follows in brackets."""
_TITLES = {"hot_path": "the hot lake", "cold_path": "the cold lake", "setup_config": "the setup config"}


@dataclass
class Discovery:
    """What was found: `values` with their `sources` by setting, `lines` that tell of it, `withheld` why not."""

    values: dict[str, Path] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    path: Path
    where: str
    named: bool = True
    """Whether a variable names it: what an installation has by default may just not be there."""


def discover(given: Mapping[str, Any], base_url: str, *, lake: bool = True) -> Discovery:
    """Look for what is not `given`, by the names of settings, where `base_url` is an address of this host.

    Without `lake`, none is looked for: a seal tells of it.
    """
    found = Discovery()
    if not is_this_host(base_url):
        return found
    if not {"database_url", "setup_config"} & given.keys():
        _take(found, "setup_config", _setup_configs(), hold_setup_config)
    if not lake:
        return found
    if "hot_path" not in given:
        _take(found, "hot_path", _hot_paths(), hold_hot_directory)
    hot = given.get("hot_path") or found.values.get("hot_path")
    if "cold_path" not in given and hot is not None:
        _take(found, "cold_path", _named("CORE_ANALYSIS_LAKE_COLD_PATH"), _cold_of(Path(hot)))
    return found


def is_this_host(url: str) -> bool:
    """Whether a URL names this host: loopback, an address of its own, or its name. Nothing is looked up."""
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        own = socket.gethostname().lower()
        return host in {"localhost", own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _take(found: Discovery, name: str, places: Iterator[_Place], hold: Callable[[Path], object]) -> None:
    """Take the place that is there, or say what keeps us from it.

    Where a variable names one, no other is looked at: that would be another controller's.
    """
    place = next((place for place in places if place.named or _perhaps_there(place.path)), None)
    if place is None:
        return
    what = f"{_TITLES[name]} {place.path} ({place.where})"
    try:
        hold(place.path)
    except UnreadableError as error:
        found.withheld[name] = f"{what} is not given, and {error}: {RUN_AS_OWNER}"
        found.lines.append(f"not used: {what}: {error}")
    except ValueError as error:
        found.lines.append(f"not used: {what}: it {error}")
    except SettingsError as error:
        found.lines.append(f"not used: {what}: {error}")
    else:
        found.values[name], found.sources[name] = place.path, f"{FOUND} ({place.where})"
        found.lines.append(f"found: {what}")


def _perhaps_there(path: Path) -> bool:
    try:
        return is_there(path)
    except UnreadableError:
        return True


def _hot_paths() -> Iterator[_Place]:
    yield from _named("CORE_ANALYSIS_LAKE_HOT_PATH")
    yield from _below(HOT_LAKE)


def _setup_configs() -> Iterator[_Place]:
    yield from _below(SETUP_CONFIG)


def _below(place: Path) -> Iterator[_Place]:
    root = next(_named("CORE_DATA_ROOT"), _Place(DATA_ROOT, "its default place"))
    yield _Place(root.path / place, root.where, named=False)


def _named(variable: str) -> Iterator[_Place]:
    if path := os.environ.get(variable):
        yield _Place(Path(path).expanduser(), variable)


def _cold_of(hot: Path) -> Callable[[Path], object]:
    return lambda cold: hold_cold_directory(cold, hot)
