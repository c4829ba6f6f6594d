"""A run that would write anything of its own into the lake refuses to start, and contacts nobody."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.command import EXIT_USAGE, Runbook
from tests.support.proxy import recording_proxy
from tests.system.harmless.conftest import Installed
from tests.system.harmless.promised import changes, tree
from tsse_validation.cli.app import app
from tsse_validation.domain.errors import SettingsError
from tsse_validation.domain.stack import STATE_DIR
from tsse_validation.settings.loading import load_settings


@pytest.mark.parametrize(
    "option", ["--html={}/x.html", "--junitxml={}/x.xml", "--basetemp={}/x", "--report-dir={}"]
)
@pytest.mark.parametrize("place", ["hot", "cold"])
def test_what_pytest_would_write_into_the_lake_stops_the_run(
    option: str, place: str, runbook: Runbook, installed: Installed
) -> None:
    controller, paths = installed.controller, installed.controller.paths
    root = paths.hot if place == "hot" else paths.cold
    assert root is not None
    before = tree(root)
    with recording_proxy(controller.url) as core:
        run = runbook(*controller.directly(), f"--base-url={core.url}", option.format(root / "ours"))
        assert core.sent == []
    assert run.code == EXIT_USAGE, run
    assert f"{option.split('=', maxsplit=1)[0]} {root / 'ours'}" in run.output
    assert f"lies in the lake (--{place}-path {root}): choose a place outside of it" in run.output
    assert changes(before, tree(root)) == []


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    lake = tmp_path / "lake"
    (lake / STATE_DIR).mkdir(parents=True)
    return lake


def refusal(lake: Path, **more: object) -> str:
    live = {"base_url": "http://127.0.0.1:1", "auth_token": "a-token", "hot_path": str(lake)}
    with pytest.raises(SettingsError) as caught:
        load_settings(live | more, lake.parent)
    return str(caught.value)


@pytest.mark.parametrize("name", ["TMPDIR", "XDG_CACHE_HOME"])
def test_temporary_and_cache_directory_must_lie_outside(
    name: str, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(lake / "tmp"))
    assert f"({name}) {lake}" in refusal(lake)
    assert list(lake.iterdir()) == [lake / STATE_DIR]


def test_the_working_directory_must_lie_outside(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lake)
    assert f"the working directory {lake} lies in the lake" in refusal(lake)


def test_a_log_to_resume_from_must_lie_outside(lake: Path) -> None:
    log = lake / "run.jsonl"
    log.touch()
    assert "--resume" in refusal(lake, resume=str(log))


def test_a_symbolic_link_into_the_lake_is_seen_through(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "reports").symlink_to(lake)
    assert "--report-dir" in refusal(lake, report_dir=str(tmp_path / "reports" / "mine"))


def test_a_place_beside_the_lake_is_none_of_it(lake: Path) -> None:
    live = {"base_url": "http://127.0.0.1:1", "auth_token": "a-token", "hot_path": str(lake)}
    loaded = load_settings(live | {"report_dir": f"{lake}-reports"}, lake.parent)
    assert loaded.settings.report_dir == Path(f"{lake}-reports")


def test_the_helper_does_not_put_its_report_into_the_lake(lake: Path) -> None:
    options = ["--mode=direct", f"--hot-path={lake}", "--database-url=host=127.0.0.1 port=1"]
    done = CliRunner().invoke(app, ["parity", *options, f"--report={lake / 'parity.md'}"])
    assert isinstance(done.exception, SettingsError)
    assert f"--report {lake / 'parity.md'} lies in the lake" in str(done.exception)
    assert list(lake.iterdir()) == [lake / STATE_DIR]
