"""The token and the DSN that the settings give, by value or by file; and whether others can read a token file."""

import json
import os
import re
import stat
from pathlib import Path

from pydantic import SecretStr

from tsse_validation.domain.errors import SettingsError
from tsse_validation.settings.definitions import Settings
from tsse_validation.settings.fields import as_conninfo, is_token
from tsse_validation.settings.files import UnreadableError, look_at_file, read_file

MOST_TOKEN_BYTES, MOST_CONFIG_BYTES = 64 * 1024, 4 * 1024 * 1024
"""No token file or setup config is larger: what is, is another file."""
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
"""A token as the controller makes them: 32 bytes in base64url (contract section 2)."""


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
        first, *others = _text_of(path, MOST_TOKEN_BYTES).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the token file {path} cannot be read: {type(error).__name__}"
        raise SettingsError(msg) from None
    except ValueError as error:
        msg = f"the token file {path} {error}"
        raise SettingsError(msg) from None
    token = first.strip()
    if not is_token(token) or any(map(_looks_like_a_token, others)):
        reason = _why_no_token(first, others)
        msg = f"the first line of the token file {path} is not a token{reason}."
        raise SettingsError(msg, "Write the token, and nothing else, on its first line.")
    return SecretStr(token)


def _text_of(path: Path, most: int) -> str:
    """Return what a small file says; raises OSError, or ValueError with words on what it is instead."""
    try:
        content = read_file(path, most + 1)
    except UnreadableError:
        raise PermissionError from None
    except ValueError:
        if path.exists():
            raise
        raise FileNotFoundError from None
    if len(content) > most:
        msg = f"is larger than {most // 1024} KiB"
        raise ValueError(msg)
    return content.decode("utf-8")


def _why_no_token(first: str, others: list[str]) -> str:
    """Say what is on the line in the token's place, and never the line itself."""
    if first.startswith("\ufeff"):
        return ": it begins with a byte order mark (save the file as UTF-8 without BOM)"
    if not first.strip():
        return ": the file is empty" if not any(line.strip() for line in others) else ": it is blank"
    if first.strip().lower().startswith("bearer"):
        return ": it begins with “Bearer” (the token alone belongs there)"
    return ", for the file holds several" if is_token(first.strip()) else ""


def _looks_like_a_token(line: str) -> bool:
    return bool(_TOKEN.fullmatch(line.strip()))


def read_setup_config(path: Path) -> SecretStr:
    """Return the DSN in the controller's setup config JSON (contract section 1).

    Raises SettingsError when the file is no JSON object with a usable `database_url`.
    """
    try:
        config = json.loads(_text_of(path, MOST_CONFIG_BYTES))
    except (
        OSError,
        UnicodeDecodeError,
        json.JSONDecodeError,
        RecursionError,
    ) as error:  # the last: nested without end
        msg = f"the setup config {path} cannot be read as JSON: {type(error).__name__}"
        raise SettingsError(msg) from None
    except ValueError as error:
        msg = f"the setup config {path} {error}"
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


def hold_setup_config(path: Path) -> None:
    """Hold that a setup config names a database; errors as in `read_setup_config`.

    Raises UnreadableError when it is another user's, who alone may read it.
    """
    look_at_file(path)
    read_setup_config(path)


def others_can_read(path: Path) -> str | None:
    """Return the mode of a file that group or world can read, such as ``0644``, or `None` when they cannot.

    What systemd hands to a service by LoadCredential= is that service's alone, by an access list: its mode shows
    the list's mask in the group's place.
    """
    handed_over = os.environ.get("CREDENTIALS_DIRECTORY")
    if handed_over and path.absolute().parent == Path(handed_over):
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:04o}" if mode & (stat.S_IRGRP | stat.S_IROTH) else None
