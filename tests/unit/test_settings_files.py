import json
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tsse_validation.domain.errors import SettingsError
from tsse_validation.settings.credentials import others_can_read, read_setup_config, read_token
from tsse_validation.settings.loading import TOML_NAME, load_settings

TOKEN = "wZx3-_9kQ" * 4
PASSWORD = "s3cr3t-pa55word"


@pytest.mark.parametrize(
    "content",
    [
        TOKEN,
        f"{TOKEN}\n",
        f"{TOKEN}\r\n",
        f"  {TOKEN}\t\n",
        f"{TOKEN}\nnot this line\n",
        f"{TOKEN}\r\nnor this\r\n",
    ],
)
def test_a_token_is_the_first_line_of_its_file(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content.encode())
    assert read_token(file).get_secret_value() == TOKEN


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"   \r\n",
        b"\ntoken\n",
        b"two words\n",
        "tökën".encode(),
        b"a\x00b",
        b"\xef\xbb\xbfabc",
        b"a\tb",
    ],
)
def test_a_first_line_that_is_no_token_is_refused_with_its_path(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="is not a token") as caught:
        read_token(file)
    assert str(file) in caught.value.message


def test_a_binary_token_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\xff\xfe" + TOKEN.encode())
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        read_token(file)
    assert TOKEN not in str(caught.value)


def test_a_missing_token_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: FileNotFoundError"):
        read_token(tmp_path / "none")


@pytest.mark.parametrize("url", ["postgresql+psycopg", "postgresql"])
def test_a_setup_config_names_the_database(url: str, tmp_path: Path) -> None:
    config = tmp_path / "setup.json"
    config.write_text(
        json.dumps({"database_url": f"{url}://u:{PASSWORD}@h/farm", "mqtt_host": "m"}), encoding="utf-8"
    )
    parts = conninfo_to_dict(read_setup_config(config).get_secret_value())
    assert (parts["host"], parts["password"], parts["dbname"]) == ("h", PASSWORD, "farm")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read as JSON"),
        (b"{", "cannot be read as JSON"),
        (b"\xff\xff{}", "cannot be read as JSON"),
        (b'{"database_url":' * 100_000, "cannot be read as JSON: RecursionError"),
        (b"[]", "has no database_url"),
        (b"{}", "has no database_url"),
        (b'{"database_url": null}', "has no database_url"),
        (b'{"database_url": 5}', "has no database_url"),
        (b'{"database_url": ""}', "is empty"),
        (f'{{"database_url": "mysql {PASSWORD}"}}'.encode(), "is not a libpq DSN"),
    ],
)
def test_a_setup_config_that_names_no_database_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    config = tmp_path / "setup.json"
    config.write_bytes(content)
    with pytest.raises(SettingsError, match=says) as caught:
        read_setup_config(config)
    assert str(config) in caught.value.message
    assert PASSWORD not in str(caught.value)


def test_files_of_another_user_are_only_refused(shared_dir: Path, as_another_user: Callable[[], None]) -> None:
    for name in ("token", "setup.json", TOML_NAME):
        (shared_dir / name).write_text("sample = 5", encoding="utf-8")
        (shared_dir / name).chmod(0)
    as_another_user()
    with pytest.raises(SettingsError, match=r"token file .* cannot be read: PermissionError"):
        read_token(shared_dir / "token")
    with pytest.raises(SettingsError, match=r"setup config .* cannot be read as JSON: PermissionError"):
        read_setup_config(shared_dir / "setup.json")
    with pytest.raises(SettingsError, match=rf"{TOML_NAME} cannot be read"):
        load_settings({}, shared_dir)


@pytest.mark.parametrize(
    ("mode", "seen"), [(0o600, None), (0o400, None), (0o640, "0640"), (0o604, "0604"), (0o644, "0644")]
)
def test_a_token_file_that_others_read_is_told_by_its_mode(mode: int, seen: str | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN, encoding="utf-8")
    file.chmod(mode)
    assert others_can_read(file) == seen


def test_what_systemd_hands_over_is_private_and_no_other_file_of_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "handed-over"))
    for directory, seen in (("handed-over", None), ("elsewhere", "0440")):
        file = tmp_path / directory / "token"
        file.parent.mkdir()
        file.write_text(TOKEN, encoding="utf-8")
        file.chmod(0o440)
        assert others_can_read(file) == seen


def test_a_file_that_cannot_be_used_is_told_in_these_words(tmp_path: Path) -> None:
    file = tmp_path / "file"
    told = []
    advice = "Write the token, and nothing else, on its first line."
    for content, read in (
        (b"two words", read_token),
        (b"\xff", read_token),
        (b"{", read_setup_config),
        (b"{}", read_setup_config),
        (b'{"database_url": "mysql"}', read_setup_config),
        (b'{"database_url": ""}', read_setup_config),
    ):
        file.write_bytes(content)
        with pytest.raises(SettingsError) as caught:
            read(file)
        told.append(str(caught.value))
    assert told == [
        f"the first line of the token file {file} is not a token. {advice}",
        f"the token file {file} cannot be read: UnicodeDecodeError",
        f"the setup config {file} cannot be read as JSON: JSONDecodeError",
        f"the setup config {file} has no database_url. Give --database-url instead.",
        f"database_url in the setup config {file} is not a libpq DSN, URL or service=NAME",
        f"database_url in the setup config {file} is empty",
    ]
