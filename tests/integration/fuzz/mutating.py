"""Foreign input gone wrong: real samples, mutated by a seed in their bytes or in their structure."""

import copy
import json
import os
import random
from collections.abc import Iterator
from typing import Any

INPUTS = int(os.environ.get("FUZZ_INPUTS", "10000"))
"""Inputs for each parser; `tox -e fuzz` gives more."""
SEED = int(os.environ.get("FUZZ_SEED", "1"))

_DEEP = 100_000
_NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 2**64, -(2**200), 10**400, 0.5, float("nan"), float("inf"), -0.0),
    *("", " ", "null", "0", "\x00", "\ud800", "ü" * 50, "x" * 10_000),
    *("2026-01-24T16:29:48", "9999-12-31T23:59:59Z"),
    *("0000-00-00T00:00:00Z", "2026-01-24T16:29:48.1234567891+00:00", "2026-02-30T00:00:00+00:00", "2026-01-24"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "hot", "completed", "lake_inspect_v1"),
    *([], [[]], {}, [{}], {"": None}, list(range(200)), {"job": {}}),
)
_BITS = 8
_SLICES = 64


def texts(sample: Any, inputs: int = INPUTS, seed: int = SEED) -> Iterator[bytes]:
    """Yield mutations of a JSON document: in its structure, in its bytes, and some that nest without end."""
    rng = random.Random(seed)
    whole = json.dumps(sample).encode()
    for number in range(inputs):
        if number % 1000 == 0:
            yield rng.choice((b"[", b'{"job":', b'{"result":[')) * _DEEP
        elif rng.random() < 0.5:
            yield json.dumps(_restructured(copy.deepcopy(sample), rng)).encode()
        else:
            yield mutated(whole, rng)


def mutated(content: bytes, rng: random.Random, *, tail_from: int = 0) -> bytes:
    """Return bytes with some flipped, cut out, doubled or cut off, from a place on."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if len(changed) <= tail_from + 1:
            break
        at = rng.randrange(tail_from, len(changed))
        until = min(len(changed), at + rng.randint(1, _SLICES))
        match rng.randrange(6):
            case 0:
                changed[at] ^= 1 << rng.randrange(_BITS)
            case 1:
                changed[at] = rng.randrange(256)
            case 2:
                del changed[at:until]
            case 3:
                changed[at:at] = changed[at:until] * rng.randint(1, 3)
            case 4:
                changed[at:until] = rng.randbytes(until - at)
            case _:
                del changed[at:]
    return bytes(changed)


def _restructured(document: Any, rng: random.Random) -> Any:
    for _ in range(rng.randint(1, 3)):
        places = list(_places(document))
        if not places:
            return rng.choice(_NASTY)
        holder, key = rng.choice(places)
        match rng.randrange(4):
            case 0:
                del holder[key]
            case 1:
                holder[key] = [holder[key]]
            case _:
                holder[key] = copy.deepcopy(rng.choice(_NASTY))
    return document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    pending = [document]
    while pending:
        holder = pending.pop()
        keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                pending.append(holder[key])
