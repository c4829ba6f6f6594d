"""Which shard a sensor's rows lie in (contract section 4)."""

import xxhash


def shard_of(sensor_id: str, shards: int) -> str:
    """Return the two-digit shard of a sensor: ``xxh3_64(sensor_id as UTF-8) mod shards``."""
    return f"{xxhash.xxh3_64_intdigest(sensor_id.encode()) % shards:02d}"
