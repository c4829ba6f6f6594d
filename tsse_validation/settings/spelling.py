"""How a setting is spelled on a command line, so that the same run can be begun from another shell."""

from datetime import datetime

from pydantic import SecretStr

from tsse_validation.domain.instants import format_rfc3339


def spelled(name: str, value: object) -> str:
    """Return what gives a setting this value on a command line; nothing for a secret, or for what needs no option.

    A flag is spelled ``True``. A DSN is spelled without its passwords, which PGPASSFILE must give.
    """
    if value is None or value is False:
        return ""
    if isinstance(value, SecretStr):
        return _without_passwords(value.get_secret_value()) if name == "database_url" else ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return format_rfc3339(value) if isinstance(value, datetime) else str(value)


def _without_passwords(conninfo: str) -> str:
    from psycopg.conninfo import make_conninfo
    from psycopg.pq import Conninfo

    # libpq itself marks what must not be shown
    given = (part for part in Conninfo.parse(conninfo.encode()) if not part.dispchar)
    return make_conninfo(
        "", **{part.keyword.decode(): part.val.decode() for part in given if part.val is not None}
    )
