"""The token and the DSN that the settings give, by value or by file; and whether others can read a token file."""

import json
import stat
from pathlib import Path

from pydantic import SecretStr

from tsse_validation.domain.errors import SettingsError
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import as_conninfo, is_token


def token_of(settings: Settings) -> SecretStr:
    """Return the API token that the settings give, by file or by value.

    Raises SettingsError when none is given, or its file cannot be used.
    """
    if settings.auth_token is not None:
        return settings.auth_token
    if settings.auth_token_file is None:
        raise SettingsError("no token is given.", "Give it by --auth-token-file (or TSSE_AUTH_TOKEN).")
    return read_token(settings.auth_token_file)


def conninfo_of(settings: Settings) -> SecretStr | None:
    """Return the DSN that the settings give, by value or by the controller's setup config, or `None`."""
    if settings.setup_config is not None:
        return read_setup_config(settings.setup_config)
    return settings.database_url


def read_token(path: Path) -> SecretStr:
    """Return the token on the first line of a file (contract section 2).

    Raises SettingsError when the file is unreadable, or its first line is no token.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the token file {path} cannot be read: {type(error).__name__}"
        raise SettingsError(msg) from None
    token = lines[0].strip() if lines else ""
    if not is_token(token):
        msg = f"the first line of the token file {path} is not a token."
        raise SettingsError(msg, "Write the token, and nothing else, on its first line.")
    return SecretStr(token)


def read_setup_config(path: Path) -> SecretStr:
    """Return the DSN in the controller's setup config JSON (contract section 1).

    Raises SettingsError when the file is no JSON object with a usable `database_url`.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last: nested without end
        msg = f"the setup config {path} cannot be read as JSON: {type(error).__name__}"
        raise SettingsError(msg) from None
    url = config.get("database_url") if isinstance(config, dict) else None
    if not isinstance(url, str):
        msg = f"the setup config {path} has no database_url."
        raise SettingsError(msg, "Give --database-url instead.")
    try:
        return as_conninfo(SecretStr(url))
    except ValueError as error:
        msg = f"database_url in the setup config {path} {error}"
        raise SettingsError(msg) from None


def others_can_read(path: Path) -> str | None:
    """Return the mode of a file that group or world can read, such as ``0644``, or `None` when they cannot."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:04o}" if mode & (stat.S_IRGRP | stat.S_IROTH) else None
