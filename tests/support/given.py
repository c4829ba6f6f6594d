"""What is there, where its type alone would let it be missing."""

from typing import TypeVar

from pydantic import SecretStr

Thing = TypeVar("Thing")


def given(value: Thing | None) -> Thing:
    """Return what must not be missing."""
    assert value is not None
    return value


def told(secret: SecretStr | None) -> str:
    """Return the words of a secret that must not be missing."""
    return given(secret).get_secret_value()
