"""Gathers the settings from command line, environment and file, and finds what does not fit together."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from tsse_validation.domain.errors import SettingsError
from tsse_validation.runlog.setting_record import NOT_SET, SettingValue
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.discovery import Discovery, discover
from tsse_validation.settings.fields import StackKind
from tsse_validation.settings.misspelt import misspelt_complaints, unknown_variables
from tsse_validation.settings.places import places_in_the_lake
from tsse_validation.settings.removed import removed_complaints
from tsse_validation.settings.seal_complaints import seal_complaints
from tsse_validation.settings.spelling import spelled
from tsse_validation.settings.trying import try_given

TOML_NAME = "tsse-validation.toml"
COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DEFAULT = "default"
_ALTERNATIVES = ({"auth_token", "auth_token_file"}, {"database_url", "setup_config"})
"""Settings of which only one is used: a later source replaces an earlier one."""


@dataclass(frozen=True)
class LoadedSettings:
    """The settings with the source of each, and what the user should know about them."""

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    found: tuple[str, ...] = ()
    """Lines on what was found where nothing was given, and on what was not used."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Why this user may not read something that is there, by setting; the settings themselves are then not set."""
    spelled: Mapping[str, str] = field(default_factory=dict)
    """What gives each setting on a command line, those withheld too."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with a value, by setting, where each was to be tried; the settings themselves are not set."""
    asked: Settings | None = None
    """The settings before anything was left out, which `withheld` tells of."""

    def shown(self) -> tuple[SettingValue, ...]:
        """Return every setting with its source; a secret only as set or not set."""
        return tuple(
            SettingValue(
                name=name,
                value=self._shown(name),
                source=self.sources.get(name, DEFAULT),
                spelled=self.spelled.get(name, ""),
            )
            for name in Settings.model_fields
        )

    def _shown(self, name: str) -> str:
        withheld = self.withheld.get(name) if name in self.sources else None
        return withheld or _shown(getattr(self.settings, name))


def load_settings(command_line: Mapping[str, Any], directory: Path, *, for_run: bool = True) -> LoadedSettings:
    """Gather the settings from all sources.

    `command_line` holds what was given there, by field name; `directory` is where `tsse-validation.toml` may be.
    `for_run` says that they are for a run of the runbook, on a live controller or on an embedded stack; a helper
    command needs only some of them.

    Raises:
        SettingsError: a value is wrong; the message has one line for each.
    """
    merged, sources = _merged(command_line, directory, for_run=for_run)
    settings = _made(merged, sources)
    found = Discovery()
    if for_run and settings.base_url and not settings.no_discovery:
        found = discover(merged, settings.base_url, lake=not settings.sealed)
        sources |= found.sources
        settings = _made(merged | found.values, sources)
    if for_run and (complaints := list(run_complaints(settings))):
        raise SettingsError("\n".join(complaints))
    withheld = {**found.withheld, **(try_given(settings, sources) if for_run and settings.live else {})}
    if for_run and settings.cold_path and not settings.hot_path and "hot_path" not in withheld:
        raise SettingsError("--cold-path is a part of the lake that --hot-path names: give both")
    return LoadedSettings(
        settings=settings.model_copy(update=dict.fromkeys(_unused(withheld))),
        sources=sources,
        warnings=tuple(_warnings(settings, sources)),
        found=tuple(found.lines),
        withheld=withheld,
        spelled={name: spelled(name, getattr(settings, name)) for name in sources},
        asked=settings,
    )


def load_to_try(command_line: Mapping[str, Any], directory: Path, base_url: str) -> LoadedSettings:
    """Gather the settings as for a run on a live controller, for each to be tried; `base_url` is the default.

    What no setting can be is left out and told in `refused`, so that the others can be tried all the same.

    Raises SettingsError for a name that no setting has, and for a file that cannot be read.
    """
    merged, sources = _merged(command_line, directory, for_run=True)
    merged.setdefault("base_url", base_url)
    refused: dict[str, str] = {}
    settings = _made_of_the_rest(merged, sources, refused)
    found = Discovery()
    if settings.base_url and not settings.no_discovery:
        # what was refused is given too: nothing is looked for in its place
        found = discover(merged | refused, settings.base_url, lake=not settings.sealed)
        sources |= found.sources
        settings = _made(merged | found.values, sources)
    return LoadedSettings(
        settings=settings,
        sources=sources,
        warnings=tuple(_warnings(settings, sources)),
        found=tuple(found.lines),
        withheld=found.withheld,
        refused=refused,
        asked=settings,
    )


def _made_of_the_rest(values: dict[str, Any], sources: Mapping[str, str], refused: dict[str, str]) -> Settings:
    """Return the settings of the values that can be one; the others go from `values` into `refused`."""
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = {name: message for name, message in _problems(error) if name in Settings.model_fields}
        if not wrong:
            raise SettingsError("\n".join(_complaints(error, sources))) from None
    refused |= wrong
    for name in wrong:
        values.pop(name, None)
    return _made_of_the_rest(values, sources, refused)


def _merged(
    command_line: Mapping[str, Any], directory: Path, *, for_run: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of all sources, with the source of each."""
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    layers = _layers(command_line, directory)
    from_file = dict(layers)[TOML_NAME]
    if complaints := [*removed_complaints(layers), *misspelt_complaints(TOML_NAME, from_file)]:
        raise SettingsError("\n".join(complaints))
    for source, values in layers:
        for alternatives in _ALTERNATIVES:
            # a token on the command line replaces a token file of the environment
            if alternatives & values.keys():
                merged = {name: value for name, value in merged.items() if name not in alternatives}
        merged.update(values)
        sources.update(dict.fromkeys(values, source))
    # the controller's own variable, but never for a stack that loads a farm into the database it is given
    own_url = None if merged.get("no_discovery") else os.environ.get("CORE_DATABASE_URL")
    if own_url and merged.get("base_url") and not {"database_url", "setup_config"} & set(merged):
        merged["database_url"] = own_url
        sources["database_url"] = f"{ENVIRONMENT} (CORE_DATABASE_URL)"
    ci_file = os.environ.get("GITHUB_STEP_SUMMARY")
    if ci_file and for_run and "step_summary" not in merged:
        merged["step_summary"] = ci_file
        sources["step_summary"] = f"{ENVIRONMENT} (GITHUB_STEP_SUMMARY)"
    return merged, sources


def _made(values: Mapping[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error, sources))) from None


def _unused(withheld: Mapping[str, str]) -> set[str]:
    """Return what a run goes on without: a lake of which a part may not be read is not read at all."""
    lake = {"hot_path", "cold_path"}
    return withheld.keys() | (lake if lake & withheld.keys() else set())


def _layers(command_line: Mapping[str, Any], directory: Path) -> list[tuple[str, Mapping[str, Any]]]:
    toml = directory / TOML_NAME
    try:
        from_file = TomlConfigSettingsSource(Settings, toml)() if toml.is_file() else {}
    except OSError as error:
        msg = f"{toml} cannot be read: {error.strerror}"
        raise SettingsError(msg) from None
    except ValueError as error:
        msg = f"{toml} is not TOML: {error}"
        raise SettingsError(msg) from None
    return [(TOML_NAME, from_file), (ENVIRONMENT, EnvSettingsSource(Settings)()), (COMMAND_LINE, command_line)]


def _complaints(error: ValidationError, sources: Mapping[str, str]) -> list[str]:
    return [
        f"{option_of(name)} ({sources.get(name, DEFAULT)}): {message}" if name else message
        for name, message in _problems(error)
    ]


def _problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, by the name of the setting; what is wrong between several has none."""
    for problem in error.errors(include_url=False, include_input=False):
        known = problem["type"] != "extra_forbidden"
        message = problem["msg"].removeprefix("Value error, ") if known else "there is no such setting"
        yield str(problem["loc"][0]) if problem["loc"] else "", message


def _warnings(settings: Settings, sources: Mapping[str, str]) -> list[str]:
    warnings = [f"{variable} is no setting of this suite, and is not used" for variable in unknown_variables()]
    if sources.get("auth_token") == COMMAND_LINE:
        warnings.append(
            "the token was given on the command line, where every local user can read it: use --auth-token-file"
        )
    if settings.database_url and sources.get("database_url") == COMMAND_LINE:
        from psycopg.conninfo import conninfo_to_dict

        if "password" in conninfo_to_dict(settings.database_url.get_secret_value()):
            warnings.append(
                "a password was given on the command line, where every local user can read it: use PGPASSFILE"
            )
    return warnings


def _shown(value: object) -> str:
    if value is None:
        return NOT_SET
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or NOT_SET
    return str(value) or NOT_SET


_IMAGES = ("postgres_image", "qdrant_image", "core_image", "base_image")


def run_complaints(settings: Settings) -> Iterator[str]:
    """Yield what does not fit together for a run: a live controller and a stack of our own exclude each other."""
    yield from _stack_complaints(settings)
    if settings.window_start is not None and settings.window_start == settings.window_end:
        yield "--window-end must be after --window-start: the parity job takes no single microsecond"
    yield from _soak_complaints(settings)
    yield from seal_complaints(settings)
    if not settings.live:
        if settings.hot_path or settings.cold_path or settings.auth_token or settings.auth_token_file:
            yield "--auth-token-file, --hot-path and --cold-path belong to a live controller: add its --base-url"
        elif settings.setup_config and settings.stack is StackKind.EMBEDDED:
            yield "--setup-config belongs to a live controller: add its --base-url"
        return
    if settings.core_binary:
        yield "--core-binary belongs to the embedded stack, which --base-url turns off"
    places = {name: getattr(settings, name) for name in ("report_dir", "resume", "step_summary")}
    yield from places_in_the_lake(settings, {option_of(name): place for name, place in places.items()})
    if not (settings.auth_token or settings.auth_token_file):
        yield "a live controller (--base-url) needs --auth-token-file (or TSSE_AUTH_TOKEN)"


def _soak_complaints(settings: Settings) -> Iterator[str]:
    """Yield what would make a soak prove nothing: a pause longer than the age that it is to prove."""
    if not settings.soak or settings.soak_pace is None:
        return
    pace = settings.soak_pace.total_seconds()
    if not pace:
        yield "--soak-pace must be longer than 0: it is the pause between two samples"
    elif pace >= settings.watermark_max_age:
        yield (
            f"--soak-pace {settings.soak_pace} is as long as --watermark-max-age "
            f"({settings.watermark_max_age:.0f} s): nothing would be proven between two samples"
        )


def _stack_complaints(settings: Settings) -> Iterator[str]:
    """Yield what the chosen stack would ignore: whoever names an image must not silently get another one."""
    given = settings.model_fields_set
    images = [option_of(name) for name in _IMAGES if name in given]
    if settings.stack is not StackKind.CONTAINERS:
        if images:
            yield f"{', '.join(images)}: an image belongs to --stack containers, which is not asked for"
        return
    if settings.live:
        yield "--stack containers is a stack of our own, which --base-url turns off"
        return
    others = [name for name in ("core_binary", "database_url", "setup_config", "qdrant_url") if name in given]
    if others:
        named = ", ".join(map(option_of, others))
        yield f"{named}: a stack of containers brings its own; name an image instead (--core-image, …)"
    if {"core_image", "base_image"} <= given:
        yield "--base-image is what the reference controller is built upon, which --core-image replaces"
