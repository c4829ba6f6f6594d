"""The part of the suite that pytest must know before it reads the command line; installed as a plugin.

pytest looks for its configuration from the arguments it takes for test paths, and before a plugin can tell it
which options take a value: in ``pytest --auth-token-file /home/me/token.txt`` it takes the token for a test, looks
for its configuration in ``/home/me`` and finds neither ours nor our tests. So the plugin starts pytest over with
the configuration named.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Generator
from pathlib import Path
from types import UnionType
from typing import get_args

import pytest
from pydantic.fields import FieldInfo

from tsse_validation.settings.model import Settings, option_of

RUNBOOK_DIR = "tests_validation"
CONFIG_NAME = "pyproject.toml"
_DEST_PREFIX = "tsse_"
_OWNED_BY_PYTEST_BASE_URL = {"base_url"}
_STARTED_OVER = "TSSE_STARTED_OVER"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for each setting; `--base-url` is pytest-base-url's own."""
    group = parser.getgroup("tsse", "TSSE lake validation")
    for name, field in Settings.model_fields.items():
        if name not in _OWNED_BY_PYTEST_BASE_URL:
            _add_option(group, name, field)


def _add_option(group: pytest.OptionGroup, name: str, field: FieldInfo) -> None:
    text = field.description or ""
    if _is_flag(field):
        group.addoption(option_of(name), dest=_DEST_PREFIX + name, action="store_true", default=None, help=text)
        return
    shown = "" if field.default in (None, ()) else f" (default: {field.default})"
    metavar = name.rsplit("_", 1)[-1].upper()
    group.addoption(option_of(name), dest=_DEST_PREFIX + name, default=None, metavar=metavar, help=text + shown)


def _is_flag(field: FieldInfo) -> bool:
    annotation = field.annotation
    return annotation is bool or (isinstance(annotation, UnionType) and bool in get_args(annotation))


def given_settings(options: Namespace) -> dict[str, object]:
    """Return what the command line gives, by the name of the setting."""
    return {
        name: value
        for name in Settings.model_fields
        if (value := getattr(options, _DEST_PREFIX + name, None)) is not None
    }


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Start pytest over with our configuration named, when a setting's value has led it astray."""
    options = early_config.known_args_namespace
    home = _checkout(early_config.invocation_params.dir)
    told = options.inifilename or options.rootdir or os.environ.get(_STARTED_OVER)
    if home is not None and not told and early_config.inipath != home / CONFIG_NAME and given_settings(options):
        os.environ[_STARTED_OVER] = "1"
        sys.stdout.flush()
        again = [sys.executable, "-m", "pytest", "-c", str(home / CONFIG_NAME)]
        os.execv(sys.executable, [*again, *early_config.invocation_params.args])  # noqa: S606 - this very command again, without a shell
    os.environ.pop(_STARTED_OVER, None)
    return (yield)


def _checkout(directory: Path) -> Path | None:
    """Return the nearest directory, from here upwards, that holds the runbook."""
    return next((path for path in (directory, *directory.parents) if (path / RUNBOOK_DIR).is_dir()), None)
