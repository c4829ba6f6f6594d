"""What a controller's own host has is found at its default places, used, and said; a flaw there stops nothing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_settings_given import made
from tsse_validation.domain.stack import Capability
from tsse_validation.settings import discovery
from tsse_validation.settings.credentials import conninfo_of
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.discovery import is_this_host
from tsse_validation.settings.loading import LoadedSettings, load_settings
from tsse_validation.steps.validated_stack import absent_capabilities

LIVE = {"base_url": "http://127.0.0.1:8000", "auth_token": "a-token"}
PASSWORD = "s3cr3t-pa55word"
DSN = f"postgresql://core:{PASSWORD}@127.0.0.1/farm"


def installed(root: Path) -> Path:
    """Make what an installation has below its data root."""
    made(root / "storage/analysis/lake")
    (root / "setup").mkdir()
    (root / "setup/config.json").write_text(f'{{"database_url": "{DSN}"}}', encoding="utf-8")
    return root


@pytest.fixture
def root(shared_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(discovery, "DATA_ROOT", shared_dir / "FarmDashboard")
    return installed(shared_dir / "FarmDashboard")


def load(root: Path, **given: Any) -> LoadedSettings:
    return load_settings(LIVE | given, root.parent)


def sources(loaded: LoadedSettings) -> dict[str, str]:
    return {item.name: item.source for item in loaded.shown() if item.source.startswith(discovery.FOUND)}


def test_lake_and_database_of_the_default_places_are_used_and_said(root: Path) -> None:
    loaded = load(root)
    hot, config = root / discovery.HOT_LAKE, root / discovery.SETUP_CONFIG
    assert (loaded.settings.hot_path, loaded.settings.setup_config) == (hot, config)
    assert conninfo_of(loaded.settings) is not None
    assert loaded.found == (
        f"found: the setup config {config} (its default place)",
        f"found: the hot lake {hot} (its default place)",
    )
    assert sources(loaded) == dict.fromkeys(("hot_path", "setup_config"), "found (its default place)")
    assert {Capability.POSTGRES, Capability.LAKE}.isdisjoint(absent_capabilities(loaded))
    assert PASSWORD not in f"{loaded} {loaded.shown()}"


def test_it_is_left_alone_where_that_is_asked_for(root: Path) -> None:
    loaded = load(root, no_discovery=True)
    assert (loaded.settings.hot_path, loaded.settings.setup_config, loaded.found) == (None, None, ())


@pytest.mark.parametrize(
    "url", ["http://192.0.2.7:8000", "https://controller.example", "http://[2001:db8::1]:8000"]
)
def test_a_controller_elsewhere_has_nothing_here(url: str, root: Path) -> None:
    loaded = load(root, base_url=url)
    assert (loaded.settings.hot_path, loaded.settings.setup_config, loaded.found) == (None, None, ())


def test_a_stack_of_our_own_and_the_helpers_look_for_nothing(root: Path) -> None:
    assert load_settings({}, root.parent).settings == Settings()
    assert load_settings(LIVE, root.parent, for_run=False).found == ()


def test_what_is_given_is_not_looked_for(root: Path, tmp_path: Path) -> None:
    own = made(tmp_path / "own")
    loaded = load(root, hot_path=str(own), database_url="host=elsewhere")
    assert (loaded.settings.hot_path, loaded.settings.setup_config) == (own, None)
    assert loaded.found == ()


def test_the_controllers_own_variables_come_before_the_default_places(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORE_DATA_ROOT", str(installed(tmp_path / "moved")))
    assert load(root).settings.hot_path == tmp_path / "moved" / discovery.HOT_LAKE
    assert load(root).settings.setup_config == tmp_path / "moved" / discovery.SETUP_CONFIG
    monkeypatch.setenv("CORE_ANALYSIS_LAKE_HOT_PATH", str(made(tmp_path / "named")))
    monkeypatch.setenv("CORE_ANALYSIS_LAKE_COLD_PATH", str(tmp_path / "named/cold"))
    monkeypatch.setenv("CORE_DATABASE_URL", "host=named")
    loaded = load(root)
    assert (loaded.settings.hot_path, loaded.settings.cold_path) == (
        tmp_path / "named/hot",
        tmp_path / "named/cold",
    )
    assert loaded.settings.setup_config is None
    assert sources(loaded) == {
        "hot_path": "found (CORE_ANALYSIS_LAKE_HOT_PATH)",
        "cold_path": "found (CORE_ANALYSIS_LAKE_COLD_PATH)",
    }
    alone = load(root, no_discovery=True).settings
    assert (alone.hot_path, alone.cold_path, alone.database_url) == (None, None, None)


def test_where_a_variable_names_no_lake_no_other_is_taken(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORE_ANALYSIS_LAKE_HOT_PATH", "/no/such/lake")
    loaded = load(root)
    assert loaded.settings.hot_path is None
    assert "not used: the hot lake /no/such/lake (CORE_ANALYSIS_LAKE_HOT_PATH): it is not there" in loaded.found


def test_an_installation_that_is_not_there_is_not_worth_a_line(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "DATA_ROOT", root / "nowhere")
    loaded = load(root)
    assert loaded.found == ()
    assert absent_capabilities(loaded)[Capability.LAKE] == "no --hot-path was given"


def in_place_of_the_config(root: Path, make: Callable[[Path], object]) -> None:
    (root / discovery.SETUP_CONFIG).unlink()
    make(root / discovery.SETUP_CONFIG)


FLAWS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a config that is no JSON": (lambda root: (root / discovery.SETUP_CONFIG).write_text("{"), "as JSON"),
    "a config without a DSN": (lambda root: (root / discovery.SETUP_CONFIG).write_text("{}"), "no database_url"),
    "a config that is a directory": (
        lambda root: in_place_of_the_config(root, Path.mkdir),
        "it is a directory",
    ),
    "a config that is a pipe": (
        lambda root: in_place_of_the_config(root, os.mkfifo),
        "it is a pipe",
    ),
    "a lake without state": (
        lambda root: (root / discovery.HOT_LAKE / "_state").rename(root / "gone"),
        "is it a cold directory?",
    ),
}


@pytest.mark.parametrize("name", FLAWS)
def test_what_cannot_be_used_there_is_said_and_stops_nothing(name: str, root: Path) -> None:
    flaw, words = FLAWS[name]
    flaw(root)
    loaded = load(root)
    (line,) = [line for line in loaded.found if line.startswith("not used: ")]
    assert words in line
    assert PASSWORD not in line
    assert sum(line.startswith("found: ") for line in loaded.found) == 1


def test_what_may_not_be_read_there_is_named_with_its_owner(
    root: Path, as_another_user: Callable[[], None]
) -> None:
    owner = (root / "storage").owner()
    (root / "storage").chmod(0o700 if os.geteuid() == 0 else 0)
    (root / discovery.SETUP_CONFIG).chmod(0o600 if os.geteuid() == 0 else 0)
    as_another_user()
    loaded = load(root)
    absent = absent_capabilities(loaded)
    assert f"the hot lake {root / discovery.HOT_LAKE} (its default place) is not given" in absent[Capability.LAKE]
    assert f"{root}/storage is {owner}'s, and may not be entered" in absent[Capability.LAKE]
    assert (
        f"this user may not read {root / discovery.SETUP_CONFIG}, which is {owner}'s"
        in absent[Capability.POSTGRES]
    )
    assert all("run as its owner" in absent[name] for name in (Capability.LAKE, Capability.POSTGRES))
    assert len(loaded.found) == 2


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1", True),
        ("http://localhost:8000/core", True),
        ("http://LocalHost.:8000", True),
        ("http://[::1]:8000", True),
        ("http://192.0.2.1:8000", False),
        ("http://localhost.example:8000", False),
        ("http://no-such-host.invalid", False),
        ("http://224.0.0.1.example", False),
    ],
)
def test_an_address_of_this_host_is_known_without_asking_anybody(url: str, *, here: bool) -> None:
    assert is_this_host(url) is here


def test_this_hosts_own_name_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsse_validation.settings.discovery.socket.gethostname", lambda: "Farm.lan")
    assert all(map(is_this_host, ("http://farm.lan:8000", "http://farm:8000", "http://Farm.local:8000")))
    assert not is_this_host("http://farm.example:8000")
