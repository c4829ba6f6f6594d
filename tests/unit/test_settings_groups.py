"""The settings are shown in groups, each with the kind of its value."""

import subprocess
import sys
from pathlib import Path

import pytest

from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.groups import group_of, grouped_settings, value_kind


def test_each_setting_is_in_one_group() -> None:
    assert [name for _, names in grouped_settings() for name in names] == list(Settings.model_fields)
    assert group_of("database_url") == "What is validated"
    assert group_of("require") == "How much is proven"
    assert group_of("statement_timeout") == "Limits of time and load"
    assert group_of("farm_rows") == "Stack of our own"
    assert group_of("report_dir") == group_of("release_label") == "Output"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("connect_timeout", "SECONDS"),
        ("window_start", "INSTANT"),
        ("level", "count|digest|rows"),
        ("hot_path", "DIR"),
        ("resume", "FILE"),
        ("max_windows", "N"),
        ("sample", "N"),
        ("sensor_ids", "A,B"),
        ("base_url", "URL"),
        ("core_image", "IMAGE"),
    ],
)
def test_a_value_is_shown_by_its_unit_its_choices_or_what_it_names(name: str, kind: str) -> None:
    assert value_kind(name) == kind


def test_the_help_of_a_run_has_the_groups_and_every_option_with_its_default(tmp_path: Path) -> None:
    script = str(Path(sys.executable).with_name("tsse-validate"))
    shown = subprocess.run(
        [script, "run", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    for title, names in grouped_settings():
        _, _, group = shown.partition(f"\nTSSE lake validation: {title}")
        group = group.split("\n\n", 1)[0]
        for name in set(names) - {"base_url"}:
            assert f"  {option_of(name)}" in group
            if isinstance(default := Settings.model_fields[name].default, int | float) and default is not False:
                assert f"(default: {default})" in " ".join(group.split())
    assert "(default: )" not in shown
