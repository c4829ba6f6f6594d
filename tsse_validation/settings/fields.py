"""What a setting may be: types that refuse a wrong value in words, before anything is touched."""

import re
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from tsse_validation.settings.files import UnreadableError, look_at_file
from tsse_validation.settings.helper_form import as_helpers

_SCHEDULERS = ("tcp", "tls", "ws", "wss")
"""By which a Dask scheduler is spoken to."""
_IMAGE_NAME = re.compile(r"[a-z0-9][\w.:/@-]*")


def _split(url: str) -> tuple[SplitResult, int | None]:
    """Return the parts of a URL, and its port."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("is not a URL: there is a space or a control character in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # the reason that urllib gives quotes what it took for host or port, which may be a password
        raise ValueError("is not a URL: its host or port cannot be understood") from None
    return parts, port


def _http_url(url: str) -> str:
    parts, port = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be an http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user or password: give the token by --auth-token-file")
    if parts.query or parts.fragment:
        raise ValueError("must not carry a query or fragment")
    return url.rstrip("/")


def _scheduler(address: str) -> str:
    parts, port = _split(address)
    whole = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in _SCHEDULERS or not parts.hostname or not port or address.rstrip("/") != whole:
        raise ValueError("is no address of a Dask scheduler, as in tcp://scheduler:8786 or tls://scheduler:8786")
    if "@" in parts.netloc:
        raise ValueError("must not carry a user or password: Dask's own configuration names the certificates")
    if find_spec("distributed") is None:
        raise ValueError("needs Dask, which is not installed: pip install 'tsse-validation[cluster]'")
    return whole


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def as_conninfo(value: SecretStr) -> SecretStr:
    """Check a DSN or `service=…` and return it as libpq understands it (contract section 1)."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    text = re.sub(r"^postgresql\+psycopg://", "postgresql://", value.get_secret_value())
    try:
        parameters = conninfo_to_dict(text)
    except ProgrammingError:
        # libpq's own message quotes the string, password and all
        raise ValueError("is not a libpq DSN, URL or service=NAME") from None
    if not parameters:
        raise ValueError("is empty")
    _hold_unsplit(parameters)
    return SecretStr(make_conninfo("", **parameters))


def _hold_unsplit(parameters: Mapping[str, object]) -> None:
    """Refuse what a password with a sign of its own has been split into: a part of it would be told as a name."""
    ports = str(parameters.get("port") or "").split(",")
    named = [str(parameters.get(name) or "") for name in ("host", "dbname")]
    split = any("@" in name[1:] and not name.startswith("/") for name in named)
    if split or any(port and not port.strip().isdecimal() for port in ports):
        raise ValueError(
            "has no port that is a number, or an @ too many: in a URL's password, @ / : are %40 %2F %3A"
        )


def _token(value: SecretStr) -> SecretStr:
    """Refuse a token that no HTTP header can carry; an empty one counts as none."""
    if value and not is_token(value.get_secret_value()):
        raise ValueError("is not a token")
    return value


def is_token(text: str) -> bool:
    """Whether a text can be a token: printable ASCII without a blank."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _existing_file(path: Path) -> Path:
    try:
        return _file_that_is_there(path)
    except UnreadableError as error:
        raise ValueError(str(error)) from None


def _file_perhaps_unreadable(path: Path) -> Path:
    with suppress(UnreadableError):
        _file_that_is_there(path)
    return path


def _file_that_is_there(path: Path) -> Path:
    try:
        look_at_file(path)
    except ValueError as error:
        msg = f"{path} {error}"
        raise ValueError(msg) from None
    return path


def _image_name(name: str) -> str:
    if not _IMAGE_NAME.fullmatch(name):
        raise ValueError("is not the name of an image, as in registry.example/team/name:tag")
    return name


def _label(text: str) -> str:
    if not text.isprintable():
        raise ValueError("is not one line of text: there is a control character in it")
    return text.strip()


HttpUrl = Annotated[str, AfterValidator(_http_url)]
SchedulerAddress = Annotated[str, AfterValidator(_scheduler)]
Token = Annotated[SecretStr, AfterValidator(_token)]
HelperForm = Annotated[str, AfterValidator(as_helpers)]
Conninfo = Annotated[SecretStr, AfterValidator(as_conninfo)]
LocalPath = Annotated[Path, AfterValidator(Path.expanduser)]
ReadableFile = Annotated[LocalPath, AfterValidator(_existing_file)]
OwnersFile = Annotated[LocalPath, AfterValidator(_file_perhaps_unreadable)]
"""A file of the controller's: where this user may not read it, a run goes on without, and says so."""
Label = Annotated[str, AfterValidator(_label)]
ImageName = Annotated[str, AfterValidator(_image_name)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
Seconds = Annotated[float, Field(gt=0, le=7 * 86_400)]


class Level(StrEnum):
    """How much is compared: counts prove little, digests all but one in 2⁶⁴ faults, rows all."""

    COUNT = "count"
    DIGEST = "digest"
    ROWS = "rows"


class Cover(StrEnum):
    """Which dates are compared: those that the lake's state promises, or each that the lake holds as well."""

    PROMISED = "promised"
    LAKE = "lake"


class StackKind(StrEnum):
    """What a stack of our own runs on: processes of this machine, or containers."""

    EMBEDDED = "embedded"
    CONTAINERS = "containers"
