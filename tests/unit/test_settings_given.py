"""Whatever is given for a run works, or is refused in a line with its option and path; nothing is contacted."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tsse_validation.domain.errors import SettingsError
from tsse_validation.domain.stack import Capability
from tsse_validation.settings.loading import COMMAND_LINE, ENVIRONMENT, TOML_NAME, LoadedSettings, load_settings
from tsse_validation.steps.opening import lake_reader
from tsse_validation.steps.validated_stack import absent_capabilities, live_stack

TOKEN = "wZx3-_9kQa1" * 3 + "AAAAAAAAAA"
ANOTHER = TOKEN[::-1]
CERTIFICATE = Path(__file__).parents[1] / "integration/clients/tls/localhost.pem"


@pytest.fixture
def live(tmp_path: Path) -> dict[str, Any]:
    token = tmp_path / "token.txt"
    token.write_text(f"{TOKEN}\n", encoding="utf-8")
    return {"base_url": "http://127.0.0.1:8000", "auth_token_file": token}


def made(root: Path) -> Path:
    """Make a lake with a day, hot and cold; return its hot directory."""
    for place in ("hot", "cold"):
        (root / place / "metrics/v1/date=2026-01-01/shard=00").mkdir(parents=True)
    (root / "hot/_state").mkdir()
    for name in ("replication.json", "manifest.json"):
        (root / "hot/_state" / name).write_text("{}", encoding="utf-8")
    return root / "hot"


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    return made(tmp_path / "storage/analysis/lake")


def refusal(given: dict[str, Any], directory: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(given, directory)
    (line,) = str(caught.value).splitlines()
    return line


# ---- the lake --------------------------------------------------------------------------------------------------

NO_HOT: dict[str, tuple[str, str]] = {
    "a typo": ("storage/analysis/lake/hott", "is not there"),
    "a typo in the middle": ("storage/analisis/lake/hot", "is not there"),
    "a file": ("token.txt", "is not a directory"),
    "below a file": ("token.txt/hot", "is not there"),
    "the lake's parent": ("storage/analysis/lake", "above one: give {hot}"),
    "the storage of the installation": ("storage", "above one: give {hot}"),
    "the installation": ("", "above one: give {hot}"),
    "its state": ("storage/analysis/lake/hot/_state", "inside of one: give {hot}"),
    "its dataset": ("storage/analysis/lake/hot/metrics/v1", "inside of one: give {hot}"),
    "a shard-day": ("storage/analysis/lake/hot/metrics/v1/date=2026-01-01/shard=00", "is no lake"),
    "a cold one": ("storage/analysis/lake/cold", "is it a cold directory?"),
    "another directory": ("other", "is no lake: there is no _state in it"),
    "an empty one": ("empty", "is empty: there is no lake there yet"),
    "one with a system's litter alone": ("litter", "is empty: there is no lake there yet"),
}


@pytest.mark.parametrize("kind", NO_HOT)
def test_a_hot_path_that_is_no_lake_is_refused(kind: str, live: dict[str, Any], hot: Path, tmp_path: Path) -> None:
    for name in ("other/reports", "empty", "litter/.Trashes"):
        (tmp_path / name).mkdir(parents=True)
    given, words = NO_HOT[kind]
    path = tmp_path / given
    line = refusal(live | {"hot_path": str(path)}, tmp_path)
    assert line.startswith(f"--hot-path ({COMMAND_LINE}): {path} ")
    assert words.format(hot=hot) in line


NO_COLD: dict[str, tuple[str, str]] = {
    "a typo": ("storage/analysis/lake/clod", "is not there"),
    "a file": ("token.txt", "is not a directory"),
    "the hot one": ("storage/analysis/lake/hot", "is the hot directory"),
    "the hot one by a link": ("link", "is the hot directory"),
    "above the hot one": ("storage/analysis/lake", "holds the hot directory"),
    "inside the hot one": ("storage/analysis/lake/hot/metrics", "lies in the hot directory"),
    "another lake's hot one": ("another/hot", "is a hot directory"),
    "another directory": ("other", "is no cold directory: there is no metrics/v1 in it"),
}


@pytest.mark.parametrize("kind", NO_COLD)
def test_a_cold_path_that_is_none_is_refused(kind: str, live: dict[str, Any], hot: Path, tmp_path: Path) -> None:
    (tmp_path / "other/reports").mkdir(parents=True)
    (tmp_path / "link").symlink_to(hot)
    made(tmp_path / "another")
    given, words = NO_COLD[kind]
    line = refusal(live | {"hot_path": hot, "cold_path": tmp_path / given}, tmp_path)
    assert line.startswith(f"--cold-path ({COMMAND_LINE}): {tmp_path / given} ")
    assert words in line


@pytest.mark.parametrize("leaves", [[], [".DS_Store"], ["@eaDir", "#recycle", "lost+found"]])
def test_a_cold_directory_may_be_empty_still(
    leaves: list[str], live: dict[str, Any], hot: Path, tmp_path: Path
) -> None:
    nas = tmp_path / "nas"
    for name in ("", *leaves):
        (nas / name).mkdir()
    settings = load_settings(live | {"hot_path": hot, "cold_path": nas}, tmp_path).settings
    assert (settings.hot_path, settings.cold_path) == (hot, nas)


def test_a_cold_path_alone_is_refused(live: dict[str, Any], hot: Path, tmp_path: Path) -> None:
    assert "give both" in refusal(live | {"cold_path": hot.parent / "cold"}, tmp_path)


def test_a_lake_before_its_first_pass_has_state_alone(live: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "hot/_state").mkdir(parents=True)
    assert load_settings(live | {"hot_path": tmp_path / "hot"}, tmp_path).settings.hot_path == tmp_path / "hot"


def test_the_source_is_named_where_it_is_no_option(
    live: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSSE_HOT_PATH", str(tmp_path / "none"))
    assert refusal(live, tmp_path) == f"--hot-path ({ENVIRONMENT}): {tmp_path}/none is not there"
    monkeypatch.delenv("TSSE_HOT_PATH")
    (tmp_path / TOML_NAME).write_text(f'hot_path = "{tmp_path}/no"\n', encoding="utf-8")
    assert refusal(live, tmp_path) == f"--hot-path ({TOML_NAME}): {tmp_path}/no is not there"


def test_all_that_cannot_be_used_is_told_together(live: dict[str, Any], tmp_path: Path) -> None:
    live["auth_token_file"].write_text("", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(live | {"hot_path": "/none", "ca_file": live["auth_token_file"]}, tmp_path)
    options = [line.split(" ")[0] for line in str(caught.value).splitlines()]
    assert options == ["--auth-token-file", "--ca-file", "--hot-path"]


def test_the_helpers_refuse_what_is_no_lake_too(tmp_path: Path) -> None:
    given = {"hot_path": str(tmp_path / "none")}
    settings = load_settings(given, tmp_path, for_run=False).settings
    with pytest.raises(SettingsError, match=r"--hot-path: .*/none is not there"):
        lake_reader(settings)


# ---- files -----------------------------------------------------------------------------------------------------

NO_TOKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not a token: the file is empty."),
    "blank lines": (b"\r\n \n", "is not a token: the file is empty."),
    "a blank first line": (f"\n{TOKEN}\n".encode(), "is not a token: it is blank."),
    "a byte order mark": (b"\xef\xbb\xbf" + TOKEN.encode(), "it begins with a byte order mark"),
    "UTF-16": (TOKEN.encode("utf-16"), "cannot be read: UnicodeDecodeError"),
    "Bearer": (f"Bearer {TOKEN}\n".encode(), "it begins with “Bearer”"),
    "bearer:": (f"bearer: {TOKEN}\n".encode(), "it begins with “Bearer”"),
    "a header": (f"Authorization: Bearer {TOKEN}\n".encode(), "is not a token."),
    "two on a line": (f"{TOKEN} {ANOTHER}\n".encode(), "is not a token."),
    "two on two lines": (f"{TOKEN}\n{ANOTHER}\n".encode(), "is not a token, for the file holds several."),
    "a shell's assignment": (f"TOKEN='{TOKEN} '\n".encode(), "is not a token."),
    "too large": (b"a" * 70_000, "is larger than 64 KiB"),
}


@pytest.mark.parametrize("option", ["auth_token_file", "view_token_file"])
@pytest.mark.parametrize("kind", NO_TOKEN)
def test_a_file_without_a_token_is_refused_and_not_shown(
    kind: str, option: str, live: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "given.txt"
    content, words = NO_TOKEN[kind]
    file.write_bytes(content)
    line = refusal(live | {option: file}, tmp_path)
    assert line.startswith(f"--{option.replace('_', '-')} ({COMMAND_LINE}): ")
    assert str(file) in line
    assert words in line
    assert TOKEN not in line
    assert ANOTHER not in line


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  \r\n", "\nnote: of the farm\n"])
def test_a_token_is_taken_however_its_line_ends(end: str, live: dict[str, Any], tmp_path: Path) -> None:
    live["auth_token_file"].write_bytes(f"{TOKEN}{end}".encode())
    assert live_stack(load_settings(live, tmp_path)).token.get_secret_value() == TOKEN


@pytest.mark.parametrize("option", ["auth_token_file", "view_token_file", "ca_file", "setup_config", "resume"])
@pytest.mark.parametrize("kind", ["not there", "a directory", "a pipe", "a device", "a socket", "a loop"])
def test_what_is_no_file_is_refused_and_never_waited_for(
    kind: str, option: str, live: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("/dev/zero" if kind == "a device" else "thing")
    if kind == "a directory":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    elif kind == "a loop":
        path.symlink_to(path)
    line = refusal(live | {option: path}, tmp_path)
    assert line.startswith(f"--{option.replace('_', '-')} ({COMMAND_LINE}): {path} ")
    assert kind in {"not there", "a loop"} or f"it is {kind}" in line


@pytest.mark.parametrize("content", [b"", b"\x30\x82\x01", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_ca_file_without_a_certificate_is_refused(content: bytes, live: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    line = refusal(live | {"ca_file": tmp_path / "ca.pem"}, tmp_path)
    assert line == f"--ca-file ({COMMAND_LINE}): {tmp_path}/ca.pem holds no PEM certificate"


def test_a_ca_file_with_a_certificate_is_taken(live: dict[str, Any], tmp_path: Path) -> None:
    assert load_settings(live | {"ca_file": CERTIFICATE}, tmp_path).settings.ca_file == CERTIFICATE


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "cannot be read as JSON"), ("[]", "has no database_url"), ("{}", "no database_url")],
)
def test_a_setup_config_without_a_database_is_refused(
    content: str, words: str, live: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "setup.json"
    file.write_text(content, encoding="utf-8")
    line = refusal(live | {"setup_config": file}, tmp_path)
    assert line.startswith(f"--setup-config ({COMMAND_LINE}): the setup config {file} ")
    assert words in line


def test_a_setup_config_is_for_a_live_controller(tmp_path: Path) -> None:
    file = tmp_path / "setup.json"
    file.write_text('{"database_url": "host=h"}', encoding="utf-8")
    assert "belongs to a live controller" in refusal({"setup_config": file}, tmp_path)


@pytest.mark.parametrize("how", ["the file", "a link to it", "a copy of it"])
def test_the_view_only_token_is_another_one(how: str, live: dict[str, Any], tmp_path: Path) -> None:
    view = tmp_path / "view.txt"
    if how == "the file":
        view = live["auth_token_file"]
    elif how == "a link to it":
        view.symlink_to(live["auth_token_file"])
    else:
        view.write_text(TOKEN, encoding="utf-8")
    line = refusal(live | {"view_token_file": view}, tmp_path)
    assert line.startswith(f"--view-token-file ({COMMAND_LINE}): {view} ")
    assert "analysis.view only" in line
    assert TOKEN not in line


# ---- there, and another user's ---------------------------------------------------------------------------------


@pytest.fixture
def theirs(shared_dir: Path) -> dict[str, Any]:
    """Make a lake, a cold directory and a setup config that are root's; return what to give."""
    hot = made(shared_dir / "storage")
    config = shared_dir / "setup/config.json"
    config.parent.mkdir()
    config.write_text('{"database_url": "host=h"}', encoding="utf-8")
    token = shared_dir / "token.txt"
    token.write_text(TOKEN, encoding="utf-8")
    return {
        "base_url": "http://127.0.0.1:8000",
        "auth_token_file": token,
        "hot_path": hot,
        "cold_path": hot.parent / "cold",
        "setup_config": config,
    }


def loaded_as_another(given: dict[str, Any], become: Callable[[], None]) -> LoadedSettings:
    become()
    return load_settings(given, given["auth_token_file"].parent)


@pytest.mark.parametrize(
    "closed",
    ["storage", "storage/hot", "storage/hot/_state", "storage/hot/_state/manifest.json", "storage/hot/metrics/v1"],
)
def test_a_lake_that_this_user_may_not_read_is_absent_and_said(
    closed: str, theirs: dict[str, Any], shared_dir: Path, as_another_user: Callable[[], None]
) -> None:
    (shared_dir / closed).chmod(0)
    del theirs["cold_path"]
    loaded = loaded_as_another(theirs, as_another_user)
    absent = absent_capabilities(loaded)
    assert Capability.POSTGRES not in absent
    assert absent[Capability.LAKE].startswith(f"--hot-path ({COMMAND_LINE}): this user may not read {shared_dir}")
    assert "run as its owner" in absent[Capability.LAKE]
    assert live_stack(loaded).lake is None
    (shown,) = [item for item in loaded.shown() if item.name == "hot_path"]
    assert "may not read" in shown.value


@pytest.mark.parametrize("closed", ["storage/cold", "storage/cold/metrics/v1"])
def test_a_cold_directory_that_this_user_may_not_read_takes_the_lake_away(
    closed: str, theirs: dict[str, Any], shared_dir: Path, as_another_user: Callable[[], None]
) -> None:
    (shared_dir / closed).chmod(0)
    loaded = loaded_as_another(theirs, as_another_user)
    assert absent_capabilities(loaded)[Capability.LAKE].startswith(f"--cold-path ({COMMAND_LINE}): this user may")
    assert live_stack(loaded).lake is None


@pytest.mark.parametrize("closed", ["setup", "setup/config.json"])
def test_a_setup_config_that_this_user_may_not_read_is_absent_and_said(
    closed: str, theirs: dict[str, Any], shared_dir: Path, as_another_user: Callable[[], None]
) -> None:
    (shared_dir / closed).chmod(0)
    loaded = loaded_as_another(theirs, as_another_user)
    absent = absent_capabilities(loaded)
    assert Capability.LAKE not in absent
    assert (
        f"--setup-config ({COMMAND_LINE}): this user may not read {theirs['setup_config']}"
        in (absent[Capability.POSTGRES])
    )
    assert live_stack(loaded).conninfo is None


@pytest.mark.parametrize("option", ["auth_token_file", "view_token_file", "ca_file"])
@pytest.mark.parametrize("closed", ["own", "own/file"])
def test_a_file_of_ours_that_this_user_may_not_read_is_refused(
    closed: str, option: str, theirs: dict[str, Any], shared_dir: Path, as_another_user: Callable[[], None]
) -> None:
    file = shared_dir / "own/file"
    file.parent.mkdir()
    file.write_text(ANOTHER, encoding="utf-8")
    (shared_dir / closed).chmod(0)
    as_another_user()
    line = refusal(theirs | {option: file}, shared_dir)
    assert line.startswith(f"--{option.replace('_', '-')} ({COMMAND_LINE}): this user may not read {file}")
