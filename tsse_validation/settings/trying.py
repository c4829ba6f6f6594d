"""Tries what is given for a run, before anything is contacted: whatever is given must work."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tsse_validation.domain.errors import SettingsError
from tsse_validation.settings.credentials import hold_setup_config, read_token
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.files import RUN_AS_OWNER, UnreadableError
from tsse_validation.settings.lake_places import hold_cold_directory, hold_hot_directory


def try_given(settings: Settings, sources: Mapping[str, str]) -> Mapping[str, str]:
    """Try each file and directory, and return why this user may not read some, by setting.

    `sources` are where the settings come from. A file that is ours to give (token, CA) must be readable; what is
    the controller's (setup config, lake) may be another user's, and is then done without.

    Raises SettingsError with a line for each that cannot be used.
    """
    complaints: list[str] = []
    withheld: dict[str, str] = {}
    for name, attempt in local_tries(settings):
        given = f"{option_of(name)} ({sources.get(name, 'default')})"
        try:
            attempt()
        except UnreadableError as error:
            withheld[name] = f"{given}: {error}: {RUN_AS_OWNER}"
        except SettingsError as error:
            complaints.append(f"{given}: {error}")
        except ValueError as error:
            complaints.append(f"{given}: {getattr(settings, name)} {error}")
    if complaints:
        raise SettingsError("\n".join(complaints))
    return withheld


def hold_ca_file(path: Path) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a PEM file.

    Raises ValueError when there is none in it, or it cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError("holds no PEM certificate") from None
    except OSError as error:
        msg = f"cannot be read: {error.strerror}"
        raise ValueError(msg) from None


def local_tries(settings: Settings) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what tries each file and directory that is set, by setting.

    A try raises SettingsError or ValueError for what is wrong, and UnreadableError for what is another user's.
    """
    if settings.auth_token_file is not None:
        yield "auth_token_file", partial(read_token, settings.auth_token_file)
    if settings.view_token_file is not None:
        yield "view_token_file", partial(_hold_another_token, settings.view_token_file, settings)
    if settings.ca_file is not None:
        yield "ca_file", partial(hold_ca_file, settings.ca_file)
    if settings.setup_config is not None:
        yield "setup_config", partial(hold_setup_config, settings.setup_config)
    if settings.hot_path is not None:
        yield "hot_path", partial(hold_hot_directory, settings.hot_path)
    if settings.cold_path is not None:
        yield "cold_path", partial(hold_cold_directory, settings.cold_path, settings.hot_path)


def _hold_another_token(path: Path, settings: Settings) -> None:
    """Hold that the view-only token is not the run's own, with which its check would prove nothing."""
    viewer = read_token(path)
    if settings.auth_token_file is not None and path.resolve() == settings.auth_token_file.resolve():
        raise ValueError("is the file of --auth-token-file: a token with analysis.view only belongs there")
    try:
        own = settings.auth_token or (settings.auth_token_file and read_token(settings.auth_token_file))
    except SettingsError:
        return  # which has a line of its own
    if own and own.get_secret_value() == viewer.get_secret_value():
        raise ValueError("holds the same token as the run's own: one with analysis.view only belongs there")
