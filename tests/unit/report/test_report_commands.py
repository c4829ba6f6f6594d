import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from pytest_base_url import plugin as base_url_plugin

from tests.support.builders import run_started, stack_described
from tests.support.given import told
from tests.support.report_builders import LIVE, SENSORS, no_go
from tsse_validation.cli.app import COMMANDS
from tsse_validation.domain.assurance import Assurance
from tsse_validation.domain.catalogue import FAILURE_CHECKS, FAILURES_STEP
from tsse_validation.domain.durations import Duration
from tsse_validation.pytest_plugin import command_line
from tsse_validation.report.model.commands import quoted, run_again
from tsse_validation.report.model.mismatches import mismatches
from tsse_validation.report.model.next_run import repair_command
from tsse_validation.runlog.records import CheckPlanned, RunStarted, StackDescribed
from tsse_validation.runlog.result import RunResult
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import Cover, Level, StackKind
from tsse_validation.settings.loading import TOML_NAME, LoadedSettings, load_settings
from tsse_validation.suite_home import RUN_COMMAND

PASSWORD = "s3cr3t-pa55word"
SECRETS = {"auth_token", "database_url"}
WORD = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1)
PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
PATH = WORD.map(lambda name: Path("/work") / name.replace("/", "_"))
IMAGE = st.from_regex(r"[a-z0-9][a-z0-9.:/@-]{0,20}", fullmatch=True)
URL = st.sampled_from(["http://127.0.0.1:8000", "https://farm.example/core", "http://[::1]:6333"])
SENSOR_IDS = st.lists(WORD.map(str.strip).filter(lambda word: word and "," not in word), max_size=4).map(tuple)
INSTANT = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
DSN = st.builds(
    lambda given, password: SecretStr(make_conninfo("", **given, password=password)),
    st.fixed_dictionaries(
        {"dbname": PLAIN.filter(lambda name: "@" not in name)},
        optional={"user": WORD, "service": PLAIN, "options": WORD, "passfile": WORD, "port": st.just("6543")},
    ),
    st.none() | st.just(PASSWORD),
)
OF_TYPES: Mapping[Any, st.SearchStrategy[Any]] = {
    bool: st.just(value=True),
    float: st.floats(0.001, 86_400),
    Level: st.sampled_from(Level),
    Cover: st.sampled_from(Cover),
    Assurance: st.sampled_from(Assurance),
    StackKind: st.sampled_from(StackKind),
}
OF_NAMES: Mapping[str, st.SearchStrategy[Any]] = {
    "base_url": URL,
    "qdrant_url": URL,
    "database_url": DSN,
    "auth_token": PLAIN.map(SecretStr),
    "sensor_ids": SENSOR_IDS,
    "helpers": st.sampled_from(["env {helper}", "env 'A B=c' \"d'e\" {helper} --"]),
    **{
        name: st.integers(0, 86_400).map(lambda s: Duration(seconds=s))
        for name in Settings.model_fields
        if "soak" in name or name == "await_seal"
    },
    "cluster": st.just("tcp://scheduler:8786"),
    "release_label": WORD.filter(str.isprintable).map(str.strip),
    "window_start": INSTANT,
    "window_end": INSTANT,
    **dict.fromkeys(("hot_path", "cold_path", "lake_seal", "report_dir", "step_summary"), PATH),
}


def values_of(name: str) -> st.SearchStrategy[Any]:
    """Return values that a setting takes."""
    field = Settings.model_fields[name]
    if name in OF_NAMES:
        return OF_NAMES[name]
    if name.endswith("_image"):
        return IMAGE
    if name.endswith("_file") or name in {"setup_config", "resume", "core_binary"}:
        return st.sampled_from([Path(__file__), Path("/etc/passwd")])
    if field.annotation in OF_TYPES:
        return OF_TYPES[field.annotation]
    low = max((bound.ge for bound in field.metadata if hasattr(bound, "ge")), default=1)
    high = min((bound.le for bound in field.metadata if hasattr(bound, "le")), default=10**9)
    return st.integers(low, high)


GIVEN = st.fixed_dictionaries({}, optional={name: values_of(name) for name in Settings.model_fields}).filter(
    lambda given: (
        not ({"auth_token", "auth_token_file"} <= given.keys() or {"database_url", "setup_config"} <= given.keys())
        and not (
            "window_start" in given and given.get("window_end", given["window_start"]) < given["window_start"]
        )
    )
)


def logged(loaded: LoadedSettings, **more: object) -> RunResult:
    """Return what the log of a run with these settings begins with."""
    record = run_started(settings=loaded.shown(), **more)
    # as it comes back from the file
    return RunResult.from_records([RunStarted.model_validate_json(record.model_dump_json()), LIVE])


def parsed(words: list[str]) -> dict[str, object]:
    """Return what pytest takes for settings on a command line."""
    parser = pytest.Parser(_ispytest=True)
    command_line.pytest_addoption(parser)
    base_url_plugin.pytest_addoption(parser)
    options, strange = parser.parse_known_args(words), parser.parse_known_and_unknown_args(words)[1]
    assert not strange
    of_settings = command_line.given_settings(options)
    return of_settings | ({"base_url": options.base_url} if options.base_url else {})


def in_bash(line: str) -> list[str]:
    """Return the words of a command as bash takes them."""
    script = f"printf '%s\\0' {line}"
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    return [os.fsdecode(word) for word in printed.split(b"\0")[:-1]]


@given(GIVEN)
def test_the_command_gives_the_same_settings_again_but_for_secrets(
    given_settings: dict[str, Any],
) -> None:
    nowhere = Path("/no/such/directory")
    loaded = load_settings(given_settings, nowhere, for_run=False)
    result = logged(loaded)
    command = run_again(result)
    assert command.isprintable(), "it is copied as it stands, in one line"
    assert PASSWORD not in command
    words = in_bash(command)
    assert words[:3] == ["pytest", "-m", "tier_a"]
    again = load_settings(parsed(words[3:]), nowhere, for_run=False)
    shown = Settings.model_fields.keys() - SECRETS
    assert again.settings.model_dump(include=shown) == loaded.settings.model_dump(include=shown)
    assert again.settings.auth_token is None
    assert database(again) == database(loaded)
    assert PASSWORD not in repr(again.settings.database_url and told(again.settings.database_url))


def database(loaded: LoadedSettings) -> dict[str, object]:
    url = loaded.settings.database_url
    return (
        {name: value for name, value in conninfo_to_dict(told(url)).items() if name != "password"} if url else {}
    )


@given(WORD)
def test_a_quoted_word_is_one_word_for_a_shell_and_can_be_seen(word: str) -> None:
    assert quoted(word).isprintable()
    assert in_bash(quoted(word)) == [word]


def test_a_file_name_that_is_no_text_is_quoted_by_its_bytes() -> None:
    assert in_bash(quoted(os.fsdecode(b"/lake/\xff\xfe"))) == [os.fsdecode(b"/lake/\xff\xfe")]


def test_what_environment_and_file_give_is_spelled_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token_file = tmp_path / "token.txt"
    token_file.write_text("a-token\n")
    (tmp_path / TOML_NAME).write_text(f'auth_token_file = "{token_file}"\nskip_qdrant = true\n')
    monkeypatch.setenv("TSSE_DATABASE_URL", "service=farm")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/ci/summary")
    result = logged(load_settings({"base_url": "http://127.0.0.1:8000"}, tmp_path))
    expected = {"--base-url=http://127.0.0.1:8000", f"--auth-token-file={token_file}", "--skip-qdrant"}
    options = set(shlex.split(run_again(result))[3:])
    assert options == expected | {"--database-url=service=farm"}, "and nothing that a CI has named for its own"


@pytest.mark.parametrize(
    ("more", "stack", "begins"),
    [
        ({"program": RUN_COMMAND}, LIVE, "tsse-validate run -m tier_a --base-url"),
        ({"program": "pytest"}, LIVE, "pytest -m tier_a --base-url"),
        ({}, LIVE, "pytest -m tier_a --base-url"),
        ({"program": RUN_COMMAND, "markers": "not slow"}, LIVE, "tsse-validate run -m 'not slow' --base-url"),
        ({"program": "pytest"}, stack_described(), "pytest --base-url"),
        ({"program": "rm -rf"}, stack_described(), "pytest --base-url"),
    ],
)
def test_a_run_is_begun_again_by_what_began_it(more: dict[str, str], stack: StackDescribed, begins: str) -> None:
    assert run_again(RunResult.from_records([run_started(**more), stack])).startswith(begins)


def test_after_failures_alone_the_runbook_is_run_beside_them() -> None:
    failures = [
        CheckPlanned(check_id=key, key=key, step=step, selected=step == FAILURES_STEP)
        for key, step in (("test_core_server_answers_healthz", 1), (*FAILURE_CHECKS, FAILURES_STEP))
    ]
    result = RunResult.from_records([run_started(program="pytest", markers="failures"), *failures])
    assert run_again(result).startswith("pytest -m 'nightly or failures'")


def test_the_repair_is_a_command_of_ours_and_takes_what_the_run_was_given(tmp_path: Path) -> None:
    given_to_run = {
        "base_url": "http://127.0.0.1:8000",
        "auth_token_file": __file__,
        "hot_path": "/lake of/hot",
        "database_url": f"host=db password={PASSWORD}",
        "level": "rows",
        "accept_loss": True,
    }
    line = repair_command(logged(load_settings(given_to_run, tmp_path, for_run=False)), 91)
    words = in_bash(line)
    assert words[:2] == ["tsse-validate", "backfill"]
    taken = options_of("backfill")(words[2:])
    assert taken["backfill_days"] == 91
    assert (taken["replace_existing"], taken["wait"], taken["accept_loss"]) == (True, True, None)
    assert (str(taken["hot_path"]), taken["database_url"]) == ("/lake of/hot", "host=db")


def test_the_look_at_differing_days_is_a_command_of_ours() -> None:
    result = no_go().model_copy(update={"stack": LIVE})
    words = in_bash(mismatches(result)[0].look)
    assert words[:2] == ["tsse-validate", "parity"]
    taken = options_of("parity")(words[2:])
    assert (taken["window_start"], taken["sensor_ids"]) == ("2026-01-05T00:00:00Z", SENSORS[0])


def options_of(command: str) -> Callable[[list[str]], dict[str, Any]]:
    """Return what parses a command's own options."""

    def parse(words: list[str]) -> dict[str, Any]:
        return dict(COMMANDS[command].load(command).make_context(command, words).params)

    return parse
