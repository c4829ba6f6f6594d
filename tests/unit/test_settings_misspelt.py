"""A name that no setting has is told with the one that was meant, wherever it was given."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tsse_validation.domain.errors import SettingsError
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.loading import TOML_NAME, load_settings
from tsse_validation.settings.misspelt import nearest_name, nearest_option

NAMES = sorted(Settings.model_fields)


def refusal(directory: Path, *, for_run: bool = True) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings({}, directory, for_run=for_run)
    return str(caught.value)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TSSE_DATABSE_URL", "TSSE_DATABASE_URL"),
        ("tsse_hot_paht", "TSSE_HOT_PATH"),
        ("TSSE_BACKFIL_DAY", "TSSE_BACKFILL_DAYS"),
        ("TSSE_REPORT_DIRECTORY", "TSSE_REPORT_DIR"),
    ],
)
def test_a_misspelt_variable_is_refused_for_runs_and_helpers(
    variable: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "s3cr3t")
    for for_run in (True, False):
        assert (
            refusal(tmp_path, for_run=for_run) == f"{variable} (environment) is no setting: did you mean {meant}?"
        )


def test_an_empty_variable_is_none_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSSE_DATABSE_URL", "")
    assert load_settings({}, tmp_path).warnings == ()


def test_a_variable_like_no_setting_may_be_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSSE_HOME", "/opt/tsse")
    assert load_settings({}, tmp_path).warnings == ("TSSE_HOME is no setting of this suite, and is not used",)


def test_a_misspelt_key_of_the_file_is_refused(tmp_path: Path) -> None:
    toml = tmp_path / TOML_NAME
    toml.write_text("hot_pth = '/lake'\nbase-url = 'http://h'\n", encoding="utf-8")
    assert refusal(tmp_path).splitlines() == [
        f"hot_pth ({TOML_NAME}) is no setting: did you mean hot_path?",
        f"base-url ({TOML_NAME}) is no setting: did you mean base_url?",
    ]
    toml.write_text("zzz = 1\n", encoding="utf-8")
    assert refusal(tmp_path) == f"--zzz ({TOML_NAME}): there is no such setting"


@given(st.sampled_from(NAMES), st.data())
def test_one_wrong_letter_in_a_long_name_still_leads_to_it(name: str, data: st.DataObject) -> None:
    assume(len(name) > 7)
    place = data.draw(st.integers(0, len(name) - 1))
    wrong = f"{name[:place]}#{name[place + 1 :]}"
    assert nearest_name(wrong, NAMES) == name


def test_an_option_is_looked_for_without_its_value() -> None:
    assert nearest_option("--databse-url=postgresql://secret@h/farm") == "--database-url"
    assert nearest_option("--nothing-like-it") is None
