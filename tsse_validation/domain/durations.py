"""How long something takes, as a person writes it: ``90s``, ``10m``, ``1h30m``, ``24h``, ``7d``."""

import re
from datetime import timedelta
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

LONGEST = timedelta(days=30)
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WRITTEN = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_WANTED = "is not a duration, as in 90s, 10m, 1h30m, 24h or 7d; 0 is none"


class Duration(timedelta):
    """A duration of whole seconds, at most 30 days; as text it is what it is read from."""

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Return what a text means; raises ValueError in words for any other text."""
        written = text.strip().lower()
        match = _WRITTEN.fullmatch(written)
        if written == "0":
            return cls(0)
        if match is None or not written:
            raise ValueError(_WANTED)
        seconds = sum(
            int(number or 0) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True)
        )
        if seconds > LONGEST.total_seconds():
            msg = f"is longer than {LONGEST.days} days"
            raise ValueError(msg)
        return cls(seconds=seconds)

    def __str__(self) -> str:
        """Write it as it is read, with the largest units that fit: ``1h30m``."""
        rest, words = round(self.total_seconds()), ""
        for sign, unit in _UNITS.items():
            number, rest = divmod(rest, unit)
            words += f"{number}{sign}" if number else ""
        return words or "0"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic take a duration, or what it is read from."""
        return core_schema.no_info_plain_validator_function(cls._taken)

    @classmethod
    def _taken(cls, value: object) -> "Duration":
        if isinstance(value, timedelta):
            return cls.parse(f"{value.total_seconds():.0f}s")
        if isinstance(value, str) or (value == 0 and isinstance(value, int)):
            return cls.parse(str(value))
        raise ValueError(_WANTED)
