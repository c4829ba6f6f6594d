import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.errors import SettingsError
from tsse_validation.settings.credentials import conninfo_of, token_of
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import (
    COMMAND_LINE,
    DEFAULT,
    ENVIRONMENT,
    TOML_NAME,
    LoadedSettings,
    load_settings,
)
from tsse_validation.settings.places import cache_directory, places_in_the_lake
from tsse_validation.settings.removed import REMOVED

PASSWORD = "s3cr3t-pa55word"
LIVE = {"base_url": "http://127.0.0.1:8000", "auth_token": "a-token"}
DSN = f"postgresql://u:{PASSWORD}@h/farm"


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / TOML_NAME


def shown(loaded: LoadedSettings, name: str) -> tuple[str, str]:
    (found,) = [item for item in loaded.shown() if item.name == name]
    return found.value, found.source


def refusal(command_line: dict[str, Any], directory: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(command_line, directory)
    return str(caught.value)


def test_without_any_source_every_setting_is_a_default(tmp_path: Path) -> None:
    loaded = load_settings({}, tmp_path)
    assert loaded.settings == Settings()
    assert {item.source for item in loaded.shown()} == {DEFAULT}
    assert not loaded.settings.live
    assert loaded.warnings == ()


def test_the_defaults_are_what_the_runbook_and_the_gate_ask_for() -> None:
    settings = Settings()
    assert settings.backfill_days == 90
    assert settings.sample is None, "all sensors"
    assert settings.shards == 16
    assert settings.watermark_max_age == 420


def test_each_source_wins_over_the_next(tmp_path: Path, toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text("sample = 7\nfarm_seed = 7\nshards = 7\n", encoding="utf-8")
    monkeypatch.setenv("TSSE_SAMPLE", "8")
    monkeypatch.setenv("TSSE_FARM_SEED", "8")
    loaded = load_settings({"sample": "9"}, tmp_path)
    assert shown(loaded, "sample") == ("9", COMMAND_LINE)
    assert shown(loaded, "farm_seed") == ("8", ENVIRONMENT)
    assert shown(loaded, "shards") == ("7", TOML_NAME)
    assert shown(loaded, "backfill_days") == ("90", DEFAULT)
    assert (loaded.settings.sample, loaded.settings.farm_seed, loaded.settings.shards) == (9, 8, 7)


def test_every_setting_is_shown_once_and_in_order(tmp_path: Path) -> None:
    assert [item.name for item in load_settings({}, tmp_path).shown()] == list(Settings.model_fields)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"backfill_days": "0"}, "greater than or equal to 1"),
        ({"backfill_days": "366"}, "less than or equal to 365"),
        ({"backfill_days": "ninety"}, "valid integer"),
        ({"backfill_days": "-1"}, "greater than or equal to 1"),
        ({"shards": "0"}, "greater than or equal to 1"),
        ({"shards": "101"}, "less than or equal to 100"),
        ({"sample": ""}, "valid integer"),
        ({"request_timeout": "0"}, "greater than 0"),
        ({"request_timeout": "nan"}, "less than or equal to 604800"),
        ({"request_timeout": "inf"}, "less than or equal to 604800"),
        ({"max_job_windows": "51"}, "less than or equal to 50"),
        ({"window_start": "2026-01-01T00:00:00"}, "with a zone"),
        ({"window_end": "yesterday"}, "RFC 3339"),
        ({"window_end": "0001-01-01T00:00:00+01:00"}, "beyond the calendar"),
        ({"skip_qdrant": "perhaps"}, "valid boolean"),
        ({"base_url": "127.0.0.1:8000"}, "http:// or https:// URL"),
        ({"base_url": "http://"}, "with a host"),
        ({"base_url": "http://host:70000"}, "is not a URL"),
        ({"base_url": "http://[::1"}, "is not a URL"),
        ({"base_url": "http://host:0"}, "URL with a host"),
        ({"base_url": "http://ho\tst"}, "is not a URL"),
        ({"base_url": "http://host#part"}, "query or fragment"),
        ({"qdrant_url": "host"}, "http:// or https:// URL"),
        ({"cluster": "scheduler:8786"}, "is no address of a Dask scheduler, as in tcp://scheduler:8786"),
        ({"cluster": "http://scheduler:8786"}, "is no address of a Dask scheduler"),
        ({"cluster": "tcp://scheduler"}, "is no address of a Dask scheduler"),
        ({"cluster": "tcp://:8786"}, "is no address of a Dask scheduler"),
        ({"cluster": "tcp://scheduler:0"}, "is no address of a Dask scheduler"),
        ({"cluster": "tls://scheduler:8786/lake"}, "is no address of a Dask scheduler"),
        ({"cluster": "tls://scheduler:8786?key=k"}, "is no address of a Dask scheduler"),
        ({"cluster": "tcp://scheduler:65536"}, "is not a URL"),
        ({"cluster": "tcp://me:word@scheduler:8786"}, "must not carry a user or password"),
        ({"auth_token_file": "/no/such/file"}, "not a file that can be found"),
        ({"helpers": "/no/such/directory"}, "is no directory: name the one that holds tsse_lake_inspector"),
        ({"helpers": "/"}, "holds none of tsse_lake_inspector, tsse_lake_backfill, tsse_lake_parity_check"),
        ({"helpers": " "}, "names no directory and no command line"),
        ({"helpers": "no-such-cargo run --bin {helper}"}, "'no-such-cargo', and there is no such program"),
        ({"helpers": "env {helper} | tee log"}, "is not run by a shell, which | would need"),
        ({"helpers": "env '{helper}"}, "a quotation mark is open"),
        ({"stack": "vm"}, "'embedded' or 'containers'"),
        ({"require": "all"}, "'sample', 'counts' or 'proof'"),
        ({"require": "PROOF"}, "'sample', 'counts' or 'proof'"),
        ({"require": ""}, "'sample', 'counts' or 'proof'"),
        ({"postgres_image": "pg:1 --privileged"}, "is not the name of an image"),
        ({"ca_file": "/"}, "not a file that can be found"),
        ({"database_url": "   "}, "is empty"),
        ({"release_label": "3.2.0\nGO"}, "is not one line of text"),
        ({"release_label": "r" * 121}, "120 characters"),
        ({"soak": "8"}, "is not a duration, as in 90s, 10m, 1h30m, 24h or 7d; 0 is none"),
        ({"soak": "31d"}, "is longer than 30 days"),
        ({"soak_pace": "-5s"}, "is not a duration"),
    ],
)
def test_a_bad_value_is_refused_with_option_and_source(given: dict[str, str], says: str, tmp_path: Path) -> None:
    (name,) = given
    message = refusal(given, tmp_path)
    line = next(line for line in message.splitlines() if line.startswith(option_of(name)))
    assert line.startswith(f"{option_of(name)} ({COMMAND_LINE}): ")
    assert says in line
    assert "pydantic" not in message


@pytest.mark.parametrize("address", ["tcp://scheduler:8786", "tls://[::1]:8786", "ws://10.0.0.7:80", "tcp://h:1/"])
def test_the_address_of_a_scheduler_is_taken_as_dask_has_it(address: str, tmp_path: Path) -> None:
    assert load_settings({"cluster": address}, tmp_path).settings.cluster == address.rstrip("/")


def test_a_cluster_without_dask_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'tsse-validation[cluster]'" in refusal({"cluster": "tcp://scheduler:8786"}, tmp_path)


def test_all_bad_values_are_refused_together(tmp_path: Path, toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text("shards = 0\n", encoding="utf-8")
    monkeypatch.setenv("TSSE_SAMPLE", "no")
    lines = refusal({"backfill_days": "999"}, tmp_path).splitlines()
    assert len(lines) == 3
    assert any(line.startswith(f"--shards ({TOML_NAME}): ") for line in lines)
    assert any(line.startswith(f"--sample ({ENVIRONMENT}): ") for line in lines)
    assert any(line.startswith(f"--backfill-days ({COMMAND_LINE}): ") for line in lines)


def test_an_unknown_setting_in_the_file_is_refused_by_name(tmp_path: Path, toml: Path) -> None:
    toml.write_text("backfil_days = 90\n", encoding="utf-8")
    assert refusal({}, tmp_path) == f"backfil_days ({TOML_NAME}) is no setting: did you mean backfill_days?"


HINT = "is no setting any more: use --require proof (which is the default)"


@pytest.mark.parametrize("value", ["true", "false", '"yes"'])
def test_a_removed_setting_in_the_file_is_refused_with_what_to_use(value: str, tmp_path: Path, toml: Path) -> None:
    toml.write_text(f"require_direct = {value}\n", encoding="utf-8")
    assert refusal({}, tmp_path) == f"--require-direct ({TOML_NAME}) {HINT}"


@pytest.mark.parametrize("variable", ["TSSE_REQUIRE_DIRECT", "tsse_require_direct"])
def test_a_removed_setting_in_the_environment_is_refused(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "0")
    assert refusal({}, tmp_path) == f"{variable} (environment) {HINT}"
    monkeypatch.setenv(variable, "")
    assert load_settings({}, tmp_path).settings.require is Assurance.PROOF


def test_a_removed_setting_on_the_command_line_is_refused_for_a_helper_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"require_direct": True}, tmp_path, for_run=False)
    assert str(caught.value) == f"--require-direct (command line) {HINT}"


@pytest.mark.parametrize("grade", ["proof", "counts", "sample"])
def test_the_grade_that_go_needs_is_set_like_any_other(
    grade: str, tmp_path: Path, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text(f'require = "{grade}"\n', encoding="utf-8")
    assert load_settings({}, tmp_path).settings.require == grade
    monkeypatch.setenv("TSSE_REQUIRE", "proof")
    assert load_settings({}, tmp_path).settings.require is Assurance.PROOF
    assert load_settings({"require": grade}, tmp_path).settings.require == grade


@pytest.mark.parametrize("content", [b"sample = ", b"\xff\xfe", b"[a\n"])
def test_a_file_that_is_no_toml_is_refused_by_its_path(content: bytes, tmp_path: Path, toml: Path) -> None:
    toml.write_bytes(content)
    message = refusal({}, tmp_path)
    assert message.startswith(f"{toml} is not TOML: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{PASSWORD}@host:8000",
        f"http://{PASSWORD}@host",
        f"http://user:{PASSWORD}/x@host:8000",
        f"http://user:{PASSWORD}#x@host:8000",
        f"http://user:{PASSWORD}?x@host:8000",
        f"http://user:{PASSWORD}@ho℀st",
        f"http://user:{PASSWORD}@host:port",
        f"http://user:{PASSWORD}@[::1",
    ],
)
def test_a_url_with_a_password_is_refused_and_never_repeated(url: str, tmp_path: Path) -> None:
    message = refusal({"base_url": url, "auth_token": "a-token"}, tmp_path)
    assert message.startswith("--base-url")
    assert PASSWORD not in message


@pytest.mark.parametrize("base", ["http://host:8000", "https://host", "http://host/TSSEX"])
@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_a_url_loses_its_last_slashes_and_nothing_else(base: str, slashes: str, tmp_path: Path) -> None:
    assert load_settings(LIVE | {"base_url": base + slashes}, tmp_path).settings.base_url == base


IMAGE = "registry.example:5000/team/postgres@sha256:ab"
CONTAINERS = {"TSSE_STACK": "containers", "TSSE_POSTGRES_IMAGE": IMAGE}
OF_A_CI = {"GITHUB_STEP_SUMMARY": "ci.md"}


@pytest.mark.parametrize(
    ("variables", "given", "for_run", "name", "expected"),
    [
        ({"core_database_url": DSN}, LIVE, True, "database_url", ("not set", DEFAULT)),
        ({"CORE_DATABASE_URL": DSN}, LIVE, True, "database_url", ("set", f"{ENVIRONMENT} (CORE_DATABASE_URL)")),
        ({"CORE_DATABASE_URL": DSN}, {}, True, "database_url", ("not set", DEFAULT)),
        ({"CORE_DATABASE_URL": DSN}, LIVE | {"setup_config": "FILE"}, True, "database_url", ("not set", DEFAULT)),
        (OF_A_CI, {}, True, "step_summary", ("ci.md", f"{ENVIRONMENT} (GITHUB_STEP_SUMMARY)")),
        (OF_A_CI, {}, False, "step_summary", ("not set", DEFAULT)),
        (OF_A_CI, {"step_summary": "own.md"}, True, "step_summary", ("own.md", COMMAND_LINE)),
        (CONTAINERS, {}, True, "stack", ("containers", ENVIRONMENT)),
        (CONTAINERS, {}, True, "postgres_image", (IMAGE, ENVIRONMENT)),
        (CONTAINERS, {}, True, "qdrant_image", (Settings().qdrant_image, DEFAULT)),
    ],
    ids=[
        "a controller's variable is written in capitals",
        "it names the database of a live controller",
        "and never one of an embedded stack",
        "a setup config keeps it out",
        "a CI names the file of its step summary",
        "for a run only",
        "which is named otherwise by an option",
        "a stack of containers by the environment",
        "with an image",
        "and no other",
    ],
)
def test_a_variable_of_the_environment_is_taken_where_it_belongs(
    variables: dict[str, str],
    given: dict[str, str],
    for_run: bool,
    name: str,
    expected: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "setup.json").write_text('{"database_url": "host=h"}', encoding="utf-8")
    given = {key: str(tmp_path / "setup.json") if value == "FILE" else value for key, value in given.items()}
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert shown(load_settings(given, tmp_path, for_run=for_run), name) == expected


def test_a_live_controller_is_one_with_an_address_and_a_token(tmp_path: Path) -> None:
    assert load_settings(LIVE, tmp_path).settings.live


def test_a_database_that_is_named_otherwise_wins_over_the_controllers_own_variable(
    tmp_path: Path, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORE_DATABASE_URL", "postgresql://h/other")
    toml.write_text('database_url = "service=tsse"\n', encoding="utf-8")
    loaded = load_settings(LIVE, tmp_path)
    assert dsn(loaded) == {"service": "tsse"}
    assert shown(loaded, "database_url") == ("set", TOML_NAME)


def test_a_step_summary_in_the_lake_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "lake" / "ci.md"))
    with pytest.raises(SettingsError, match=r"--step-summary .* lies in the lake"):
        load_settings(LIVE | {"hot_path": tmp_path / "lake"}, tmp_path)


def test_the_controllers_own_bad_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORE_DATABASE_URL", f"mysql {PASSWORD}")
    message = refusal(LIVE, tmp_path)
    assert "CORE_DATABASE_URL" in message
    assert PASSWORD not in message


def dsn(loaded: LoadedSettings) -> dict[str, Any]:
    assert isinstance(loaded.settings.database_url, SecretStr)
    return dict(conninfo_to_dict(loaded.settings.database_url.get_secret_value()))


@pytest.mark.parametrize(
    "given",
    [
        f"postgresql+psycopg://u:{PASSWORD}@h:5433/farm",
        f"postgresql://u:{PASSWORD}@h:5433/farm",
        f"postgres://u:{PASSWORD}@h:5433/farm",
        f"host=h port=5433 user=u password={PASSWORD} dbname=farm",
    ],
)
def test_a_database_is_named_in_any_way_that_libpq_or_the_controller_knows(given: str, tmp_path: Path) -> None:
    parts = dsn(load_settings({"database_url": given}, tmp_path))
    assert parts == {"user": "u", "password": PASSWORD, "host": "h", "port": "5433", "dbname": "farm"}


@pytest.mark.parametrize(
    "given",
    [
        f"postgresql://u:{PASSWORD}@h:port:port/farm?bad=%zz",
        f"password={PASSWORD} nonsense",
        f"mysql://u:{PASSWORD}@h/farm",
        # a sign that ends a part of a URL: what follows would be told as the server's or the database's name
        f"postgresql://u:a/{PASSWORD}@h/farm",
        f"postgresql://u:a@{PASSWORD}@h/farm",
        f"postgresql://u:1/{PASSWORD}@h/farm",
        f"postgresql://u:pw@h:{PASSWORD}/farm",
    ],
)
def test_a_database_that_cannot_be_understood_is_refused_without_its_password(given: str, tmp_path: Path) -> None:
    message = refusal({"database_url": given}, tmp_path)
    assert message.startswith(f"--database-url ({COMMAND_LINE}): ")
    assert PASSWORD not in message


@pytest.mark.parametrize("password", ["postgresql+psycopg://", "postgresql+psycopg://postgresql+psycopg://"])
def test_only_the_scheme_of_a_url_is_made_one_that_libpq_knows(password: str, tmp_path: Path) -> None:
    given = {"database_url": f"host=h password={password}"}
    assert dsn(load_settings(given, tmp_path)) == {"host": "h", "password": password}
    url = {"database_url": f"postgresql+psycopg://h/farm?application_name={password}"}
    named = dsn(load_settings(url, tmp_path))
    assert named == {"host": "h", "dbname": "farm", "application_name": password}


def test_no_secret_is_shown_or_printed(tmp_path: Path) -> None:
    loaded = load_settings(
        LIVE | {"auth_token": PASSWORD, "database_url": f"postgresql://u:{PASSWORD}@h/farm"}, tmp_path
    )
    assert shown(loaded, "auth_token") == ("set", COMMAND_LINE)
    assert shown(loaded, "database_url") == ("set", COMMAND_LINE)
    for text in (repr(loaded), str(loaded.settings), repr(loaded.shown()), " ".join(loaded.warnings)):
        assert PASSWORD not in text


def test_a_token_or_password_on_the_command_line_is_warned_of(tmp_path: Path) -> None:
    loaded = load_settings(LIVE | {"database_url": "postgresql://u:pw@h/farm"}, tmp_path)
    assert len(loaded.warnings) == 2
    assert "--auth-token-file" in loaded.warnings[0]
    assert "PGPASSFILE" in loaded.warnings[1]


def test_what_other_users_cannot_see_is_not_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSSE_AUTH_TOKEN", "a-token")
    monkeypatch.setenv("TSSE_DATABASE_URL", "postgresql://u:pw@h/farm")
    assert load_settings({"base_url": "http://h"}, tmp_path).warnings == ()


def test_a_dsn_without_a_password_is_not_warned_of(tmp_path: Path) -> None:
    assert load_settings({"database_url": "postgresql://u@h/farm"}, tmp_path).warnings == ()


@pytest.mark.parametrize("token", ["tökën", "two words", "a\nb", "a\x00b", "a\x7fb"])
def test_a_token_that_no_header_can_carry_is_refused_before_it_is_sent(token: str, tmp_path: Path) -> None:
    message = refusal(LIVE | {"auth_token": token}, tmp_path)
    assert message == f"--auth-token ({COMMAND_LINE}): is not a token"


def test_an_empty_token_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSSE_AUTH_TOKEN", "")
    assert "needs --auth-token-file" in refusal({"base_url": "http://h"}, tmp_path)


def test_sensor_ids_are_a_list_with_commas_or_a_list_of_toml(tmp_path: Path, toml: Path) -> None:
    assert load_settings({"sensor_ids": " a, b,,c ,"}, tmp_path).settings.sensor_ids == ("a", "b", "c")
    toml.write_text('sensor_ids = ["a", "b"]\n', encoding="utf-8")
    loaded = load_settings({}, tmp_path)
    assert loaded.settings.sensor_ids == ("a", "b")
    assert shown(loaded, "sensor_ids") == ("a,b", TOML_NAME)
    assert shown(load_settings({"sensor_ids": ""}, tmp_path), "sensor_ids") == ("not set", COMMAND_LINE)


def test_a_file_that_may_not_be_read_is_refused(shared_dir: Path, as_another_user: Callable[[], None]) -> None:
    file = shared_dir / "ca.pem"
    file.write_text("a certificate", encoding="utf-8")
    file.chmod(0)
    as_another_user()
    message = refusal(LIVE | {"ca_file": file}, shared_dir)
    assert message.startswith(f"--ca-file ({COMMAND_LINE}): this user may not read {file}, which is ")


def test_settings_never_change_once_they_are_loaded(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path).settings
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, "sample", 6)  # noqa: B010 - mypy knows already


def test_every_setting_explains_itself() -> None:
    assert all(field.description for field in Settings.model_fields.values())


# ---- token and database, wherever they are given ---------------------------------------------------------------


def test_the_token_is_taken_from_where_it_is_given(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of-the-file\n", encoding="utf-8")
    assert token_of(load_settings(LIVE, tmp_path).settings).get_secret_value() == "a-token"
    by_file = load_settings({"base_url": "http://h", "auth_token_file": file}, tmp_path).settings
    assert token_of(by_file).get_secret_value() == "of-the-file"
    with pytest.raises(SettingsError) as caught:
        token_of(Settings())
    assert str(caught.value) == "no token is given. Give it by --auth-token-file (or TSSE_AUTH_TOKEN)."


def test_the_database_is_taken_from_where_it_is_named(tmp_path: Path) -> None:
    config = tmp_path / "setup.json"
    config.write_text('{"database_url": "postgresql://of-the-config/farm"}', encoding="utf-8")
    by_config = conninfo_of(load_settings(LIVE | {"setup_config": config}, tmp_path).settings)
    by_value = conninfo_of(load_settings(LIVE | {"database_url": "host=h"}, tmp_path).settings)
    assert by_config is not None
    assert by_value is not None
    assert conninfo_to_dict(by_config.get_secret_value()) == {"host": "of-the-config", "dbname": "farm"}
    assert conninfo_to_dict(by_value.get_secret_value()) == {"host": "h"}
    assert conninfo_of(Settings()) is None


def test_a_later_source_replaces_what_an_earlier_one_gave_by_another_way(
    tmp_path: Path, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("a-token", encoding="utf-8")
    monkeypatch.setenv("TSSE_AUTH_TOKEN_FILE", str(file))
    toml.write_text(f'setup_config = "{file}"\nsample = 7\n', encoding="utf-8")
    settings = load_settings(LIVE | {"database_url": "host=h"}, tmp_path).settings
    assert (settings.auth_token_file, settings.setup_config, settings.sample) == (None, None, 7)


def test_a_helper_command_needs_only_some_of_the_settings(tmp_path: Path) -> None:
    given = {"base_url": "http://h"}
    assert load_settings(given, tmp_path, for_run=False).settings.live
    assert "needs --auth-token-file" in refusal(given, tmp_path)


# ---- places that must not lie in the lake ----------------------------------------------------------------------


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a hot directory that none of the process's own places lies in."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    path = tmp_path / "hot"
    path.mkdir()
    return path


def in_the_lake(lake: Path, **places: Path | None) -> list[str]:
    settings = load_settings({"hot_path": lake}, lake.parent, for_run=False).settings
    return list(places_in_the_lake(settings, places))


def test_a_place_in_the_lake_is_named_with_the_lakes_option(lake: Path) -> None:
    found = in_the_lake(lake, there=lake / "reports", itself=lake, beside=lake.parent / "hotter", nowhere=None)
    assert found == [
        f"there {lake}/reports lies in the lake (--hot-path {lake}): choose a place outside of it",
        f"itself {lake} lies in the lake (--hot-path {lake}): choose a place outside of it",
    ]
    cold = load_settings({"cold_path": lake}, lake.parent, for_run=False).settings
    (told,) = places_in_the_lake(cold, {"there": lake / "reports"})
    assert told == f"there {lake}/reports lies in the lake (--cold-path {lake}): choose a place outside of it"
    assert list(places_in_the_lake(Settings(), {"there": lake})) == []


def test_a_place_behind_a_link_lies_where_the_link_points(lake: Path) -> None:
    (lake.parent / "link").symlink_to(lake, target_is_directory=True)
    assert len(in_the_lake(lake, there=lake.parent / "link" / "reports")) == 1
    assert len(in_the_lake(lake.parent / "link", there=lake / "reports")) == 1


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("TMPDIR", "the temporary directory (TMPDIR)"),
        ("TEMP", "the temporary directory (TMPDIR)"),
        ("TMP", "the temporary directory (TMPDIR)"),
        (None, "the working directory"),
    ],
)
def test_the_process_s_own_directories_must_not_lie_in_the_lake(
    variable: str | None, place: str, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is None:
        monkeypatch.chdir(lake)
    else:
        monkeypatch.setenv(variable, str(lake))
    (found,) = in_the_lake(lake)
    assert found.startswith(f"{place} {lake} lies in the lake (--hot-path {lake})")


def test_the_cache_directory_must_not_lie_in_the_lake(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(lake))
    (found,) = in_the_lake(lake)
    place = cache_directory()
    assert found.startswith(f"the cache directory (XDG_CACHE_HOME) {place} lies in the lake (--hot-path {lake})")
    assert place.is_relative_to(lake)
    assert place.name == "tsse-validation"


def test_a_run_refuses_every_place_of_its_own_in_the_lake(lake: Path) -> None:
    log = lake / "run.jsonl"
    log.touch()
    message = refusal(LIVE | {"hot_path": lake, "report_dir": lake / "reports", "resume": log}, lake.parent)
    assert [line.split(" lies in")[0] for line in message.splitlines()] == [
        f"--report-dir {lake}/reports",
        f"--resume {log}",
    ]


# ---- the words -------------------------------------------------------------------------------------------------

FAILING = [
    ({"base_url": "http://a host"}, "is not a URL: there is a space or a control character in it"),
    ({"base_url": "http://host:port"}, "is not a URL: its host or port cannot be understood"),
    ({"base_url": "ftp://host"}, "must be an http:// or https:// URL with a host"),
    ({"base_url": "http://u@h"}, "must not carry a user or password: give the token by --auth-token-file"),
    ({"base_url": "http://:pw@h"}, "must not carry a user or password: give the token by --auth-token-file"),
    ({"base_url": "http://host?q=1"}, "must not carry a query or fragment"),
    ({"database_url": "not a dsn"}, "is not a libpq DSN, URL or service=NAME"),
    ({"database_url": ""}, "is empty"),
    ({"auth_token": "two words"}, "is not a token"),
    ({"ca_file": "/no/such/file"}, "/no/such/file is not a file that can be found"),
    ({"core_image": "--rm"}, "is not the name of an image, as in registry.example/team/name:tag"),
]


@pytest.mark.parametrize(("given", "says"), FAILING)
def test_a_bad_value_is_refused_in_these_words(given: dict[str, str], says: str, tmp_path: Path) -> None:
    (name,) = given
    message = refusal(given, tmp_path)
    assert f"{option_of(name)} ({COMMAND_LINE}): {says}" in message.splitlines()
    assert "pydantic" not in message


OWN_STACK = "a stack of containers brings its own; name an image instead (--core-image, …)"
CONTAINED = {"stack": "containers"}
NO_CONTAINERS = "an image belongs to --stack containers, which is not asked for"
LIVE_ONLY = "--auth-token-file, --hot-path and --cold-path belong to a live controller: add its --base-url"
SEALED = LIVE | {"await_seal": "10m", "database_url": "service=tsse"}
SEAL_IS_NOT_THERE = (
    "--lake-seal /nowhere.seal is not there: make it (tsse-validate seal lake), or wait for it by --await-seal"
)
SEALS = "--lake-seal and --await-seal"
AT_NOON, BEFORE = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
TOGETHER: list[tuple[dict[str, str], str]] = [
    ({"base_url": "http://h"}, "a live controller (--base-url) needs --auth-token-file (or TSSE_AUTH_TOKEN)"),
    ({"auth_token": "a-token"}, LIVE_ONLY),
    ({"auth_token_file": "FILE"}, LIVE_ONLY),
    ({"hot_path": "/lake"}, LIVE_ONLY),
    ({"cold_path": "/lake"}, LIVE_ONLY),
    (LIVE | {"auth_token_file": "FILE"}, "give --auth-token-file or the token itself, not both"),
    (
        LIVE | {"database_url": "service=tsse", "setup_config": "FILE"},
        "give --database-url or --setup-config, not both",
    ),
    (LIVE | {"core_binary": "FILE"}, "--core-binary belongs to the embedded stack, which --base-url turns off"),
    (LIVE | {"stack": "containers"}, "--stack containers is a stack of our own, which --base-url turns off"),
    (LIVE | {"core_image": "core:1"}, f"--core-image: {NO_CONTAINERS}"),
    ({"postgres_image": "pg:1", "base_image": "b:1"}, f"--postgres-image, --base-image: {NO_CONTAINERS}"),
    ({"qdrant_image": "q:1", "core_image": "c:1"}, f"--qdrant-image, --core-image: {NO_CONTAINERS}"),
    (
        {"accept_baseline": "true"},
        "--accept-baseline belongs to a seal of the lake: give --lake-seal or --await-seal",
    ),
    ({"await_seal": "10m"}, f"{SEALS} belong to a live controller: add its --base-url"),
    (
        LIVE | {"await_seal": "10m"},
        f"{SEALS} are compared with Postgres: give --database-url too",
    ),
    (
        SEALED | {"hot_path": "/lake"},
        f"{SEALS} take the place of --hot-path and --cold-path: give the seal or the lake, not both",
    ),
    (
        SEALED | {"level": "rows"},
        "--level rows: a seal holds digests, so leave it out, or read the lake by --hot-path",
    ),
    (
        SEALED | {"cover": "lake"},
        "--cover lake: a seal holds what the lake promises; read the lake by --hot-path",
    ),
    (
        SEALED | {"heal_check": "true"},
        "--heal-check compares again after a backfill, which no seal has seen: read the lake by --hot-path",
    ),
    (
        SEALED | {"resume": "FILE"},
        "--resume takes days over from an earlier run, and seals are compared whole: leave it out",
    ),
    (
        SEALED | {"await_seal": "0", "lake_seal": "/nowhere.seal"},
        SEAL_IS_NOT_THERE,
    ),
    (CONTAINED | {"core_binary": "FILE"}, f"--core-binary: {OWN_STACK}"),
    (CONTAINED | {"core_binary": "FILE", "qdrant_url": "http://h"}, f"--core-binary, --qdrant-url: {OWN_STACK}"),
    (CONTAINED | {"database_url": "service=tsse"}, f"--database-url: {OWN_STACK}"),
    (CONTAINED | {"setup_config": "FILE"}, f"--setup-config: {OWN_STACK}"),
    (CONTAINED | {"qdrant_url": "http://h"}, f"--qdrant-url: {OWN_STACK}"),
    (
        CONTAINED | {"core_image": "core:1", "base_image": "b:1"},
        "--base-image is what the reference controller is built upon, which --core-image replaces",
    ),
    ({"window_start": AT_NOON, "window_end": BEFORE}, "--window-end must be after --window-start"),
    (
        {"window_start": AT_NOON, "window_end": AT_NOON},
        "--window-end must be after --window-start: the parity job takes no single microsecond",
    ),
]


@pytest.mark.parametrize(("given", "says"), TOGETHER)
def test_what_contradicts_itself_is_told_in_these_words(given: dict[str, str], says: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a-token\n", encoding="utf-8")
    named = {name: str(file) if value == "FILE" else value for name, value in given.items()}
    assert refusal(named, tmp_path) == says


def test_a_seal_that_is_there_before_the_backfill_of_the_run_is_told_to_be_older(tmp_path: Path) -> None:
    seal = tmp_path / "lake.seal"
    seal.touch()
    early = SEALED | {"await_seal": "0", "lake_seal": str(seal), "auth_token": "a-token"}
    told = refusal(early, tmp_path)
    why = f"--lake-seal {seal} is older than the backfill that this run starts: give --await-seal 10m as well"
    assert told == why
    assert load_settings(early | {"skip_backfill": "true"}, tmp_path).settings.sealed


def test_several_complaints_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert refusal({"base_url": "http://h", "core_binary": file}, tmp_path).splitlines() == [
        "--core-binary belongs to the embedded stack, which --base-url turns off",
        "a live controller (--base-url) needs --auth-token-file (or TSSE_AUTH_TOKEN)",
    ]
    assert len(refusal({"sample": "0", "shards": "0"}, tmp_path).splitlines()) == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"soak_pace": "0"}, "--soak-pace must be longer than 0"),
        ({"soak_pace": "7m"}, "--soak-pace 7m is as long as --watermark-max-age (420 s)"),
    ],
)
def test_a_pause_that_lets_a_soak_prove_nothing_is_refused_where_a_soak_is_asked_for(
    given: dict[str, str], says: str, tmp_path: Path
) -> None:
    assert refusal({"soak": "10m", **given}, tmp_path).startswith(says)
    assert not load_settings(given, tmp_path).settings.soak


def test_a_duration_is_told_and_spelled_as_it_is_read(tmp_path: Path, toml: Path) -> None:
    toml.write_text('soak = "90m"\nsoak_old_day_every = 0\n', encoding="utf-8")
    loaded = load_settings({}, tmp_path)
    assert shown(loaded, "soak") == ("1h30m", TOML_NAME)
    assert (loaded.spelled["soak"], loaded.spelled["soak_old_day_every"]) == ("1h30m", "0")
    assert shown(loaded, "soak_pace") == ("not set", DEFAULT)


def test_a_secret_on_the_command_line_is_warned_of_in_these_words(tmp_path: Path) -> None:
    assert load_settings(LIVE | {"database_url": "host=h password=pw"}, tmp_path).warnings == (
        "the token was given on the command line, where every local user can read it: use --auth-token-file",
        "a password was given on the command line, where every local user can read it: use PGPASSFILE",
    )


def test_a_removed_setting_is_none_of_those_that_are() -> None:
    assert not REMOVED.keys() & Settings.model_fields.keys()
