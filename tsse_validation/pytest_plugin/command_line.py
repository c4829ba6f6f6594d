"""The part of the suite that pytest must know before it reads the command line: options and hooks.

pytest looks for its configuration from the arguments it takes for test paths, and before a plugin can tell it
which options take a value: in ``pytest --auth-token-file /home/me/token.txt`` it takes the token for a test, looks
for its configuration in ``/home/me`` and finds neither ours nor our tests. No hook comes earlier, so the command
is run again with the configuration named. That is done in a checkout only, only when another configuration was
found, and only where the process is that command alone. `tsse-validate run` names the configuration at once.
"""

import os
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Generator

import pytest
from pydantic.fields import FieldInfo

from tsse_validation.pytest_plugin import hookspecs
from tsse_validation.pytest_plugin.parts import hold_together
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.groups import grouped_settings, plain_type, value_kind
from tsse_validation.settings.misspelt import nearest_option
from tsse_validation.settings.removed import REMOVED
from tsse_validation.suite_home import CONFIG_NAME, checkout_around

_DEST_PREFIX = "tsse_"
_OWNED_BY_PYTEST_BASE_URL = {"base_url"}


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that a test bed implements."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for each setting; `--base-url` is pytest-base-url's own."""
    for number, (title, names) in enumerate(grouped_settings()):
        owned = " (and --base-url, below)" if _OWNED_BY_PYTEST_BASE_URL & set(names) else ""
        group = parser.getgroup(f"tsse-{number}", f"TSSE lake validation: {title}{owned}")
        for name in names:
            if name not in _OWNED_BY_PYTEST_BASE_URL:
                _add_option(group, name, Settings.model_fields[name])
    for name in REMOVED:
        # taken, to be refused with a hint; all that were removed so far were flags
        group.addoption(
            option_of(name), dest=_DEST_PREFIX + name, action="store_true", default=None, help=SUPPRESS
        )


def _add_option(group: pytest.OptionGroup, name: str, field: FieldInfo) -> None:
    text = field.description or ""
    if _is_flag(field):
        group.addoption(option_of(name), dest=_DEST_PREFIX + name, action="store_true", default=None, help=text)
        return
    shown = "" if field.default in (None, (), "") else f" (default: {field.default})"
    group.addoption(
        option_of(name), dest=_DEST_PREFIX + name, default=None, metavar=value_kind(name), help=text + shown
    )


def _is_flag(field: FieldInfo) -> bool:
    return plain_type(field.annotation) is bool


def given_settings(options: Namespace) -> dict[str, object]:
    """Return what the command line gives, by the name of the setting."""
    return {
        name: value
        for name in (*Settings.model_fields, *REMOVED)
        if (value := getattr(options, _DEST_PREFIX + name, None)) is not None
    }


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse a run that lacks a part: `--noconftest` leaves out all but this one."""
    hold_together(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Run the command again with our configuration named, when a setting's value has led pytest astray.

    Raises pytest.UsageError for an option that looks like one of ours, misspelt: pytest names no other.
    """
    options = early_config.known_args_namespace
    home = checkout_around(early_config.invocation_params.dir)
    named = options.inifilename or options.rootdir
    if home is not None and not named and early_config.inipath != home / CONFIG_NAME and given_settings(options):
        _run_again(early_config.invocation_params.args, ["-c", str(home / CONFIG_NAME)])
    outcome = yield
    # only now are all options known: a conftest has its own
    _hold_spelling(parser.parse_known_and_unknown_args(args)[1])
    return outcome


def _hold_spelling(unknown: list[str]) -> None:
    options = [argument for argument in unknown if argument.startswith("--")]
    if lines := [
        f"there is no option {option.partition('=')[0]}: did you mean {meant}?"
        for option in options
        if (meant := nearest_option(option))
    ]:
        raise pytest.UsageError("\n".join(lines))


def _run_again(arguments: tuple[str | os.PathLike[str], ...], more: list[str]) -> None:
    given = [os.fspath(argument) for argument in arguments]
    before = len(sys.orig_argv) - len(given)
    if sys.orig_argv[before:] != given:
        msg = f"pytest was led astray by an option's value: start it with {' '.join(more)}"
        raise pytest.UsageError(msg)
    sys.stdout.flush()
    os.execv(sys.executable, [*sys.orig_argv[:before], *more, *given])  # noqa: S606 - this very command again, without a shell
