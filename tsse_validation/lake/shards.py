"""Which shard a sensor's rows lie in (contract section 4)."""

from collections.abc import Collection

import xxhash

MOST_SHARDS = 100
"""Two digits name a shard."""
_FEWEST_SENSORS, _FEWEST_SHARDS = 6, 3
"""Of fewer, some number of shards fits by chance."""


def shard_of(sensor_id: str, shards: int) -> str:
    """Return the two-digit shard of a sensor: ``xxh3_64(sensor_id as UTF-8) mod shards``."""
    return f"{xxhash.xxh3_64_intdigest(sensor_id.encode()) % shards:02d}"


def shards_that_fit(found: Collection[tuple[str, str]]) -> int | None:
    """Return with how many shards each sensor stands in the one where it was found, as `(sensor, shard)`.

    `None` where no number fits, or too few sensors were found to tell.
    """
    sensors, stand_in = {sensor for sensor, _ in found}, {shard for _, shard in found}
    if len(sensors) < _FEWEST_SENSORS or len(stand_in) < _FEWEST_SHARDS:
        return None
    fitting = (
        shards
        for shards in range(1, MOST_SHARDS + 1)
        if all(shard_of(sensor, shards) == shard for sensor, shard in found)
    )
    return next(fitting, None)
