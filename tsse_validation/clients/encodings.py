"""Which texts a database can hold: an id from the lake's files may be none of them."""

import codecs
from collections.abc import Iterable

_ANY = frozenset({"UTF8", "SQL_ASCII", "MULE_INTERNAL"})
_OTHERWISE = {
    "EUC_CN": "gb2312",
    "EUC_JIS_2004": "euc_jis_2004",
    "JOHAB": "johab",
    "UHC": "cp949",
    "SJIS": "cp932",
}


def storable(texts: Iterable[str], server_encoding: str) -> list[str]:
    """Return the texts that a database in an encoding can hold, so that it can be asked for them at all.

    Of the others it has no row. No database holds a NUL.
    """
    codec = None if server_encoding in _ANY else _codec(server_encoding)
    return [text for text in texts if "\0" not in text and (codec is None or _encodes(text, codec))]


def _codec(server_encoding: str) -> str | None:
    """Return Python's name of an encoding of Postgres, or `None` where it has none."""
    name = _OTHERWISE.get(server_encoding, server_encoding)
    for candidate in (name.replace("WIN", "cp"), name.replace("KOI8", "KOI8-")):
        try:
            return codecs.lookup(candidate).name
        except LookupError:
            continue
    return None


def _encodes(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
