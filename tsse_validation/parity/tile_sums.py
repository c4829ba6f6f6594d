"""Counts of tiles on both sides, added up to counts of windows. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tsse_validation.clients.snapshot import DueCount


class TileSums:
    """Takes in what each side has counted of tiles, piece by piece, and adds it up."""

    def __init__(self) -> None:
        self._postgres = defaultdict[int, dict[str, DueCount]](dict)
        self._lake = defaultdict[int, dict[str, tuple[int, int]]](dict)

    def add_postgres(self, counts: Mapping[tuple[str, int], DueCount]) -> None:
        """Take in the rows of sensors in tiles, or in parts of them."""
        for (sensor_id, tile), count in counts.items():
            _add_due(self._postgres[tile], sensor_id, count)

    def add_lake(self, counts: Iterable[tuple[str, int, tuple[int, int]]]) -> None:
        """Take in `(sensor_id, tile, (keys, pending))`, of tiles or of parts of them."""
        for sensor_id, tile, count in counts:
            _add_keys(self._lake[tile], sensor_id, count)

    def of(self, tiles: Iterable[int]) -> tuple[Mapping[str, DueCount], Mapping[str, tuple[int, int]]]:
        """Return both sides of some tiles together, by sensor."""
        postgres, lake = dict[str, DueCount](), dict[str, tuple[int, int]]()
        for tile in tiles:
            for sensor_id, count in self._postgres.get(tile, {}).items():
                _add_due(postgres, sensor_id, count)
            for sensor_id, keys in self._lake.get(tile, {}).items():
                _add_keys(lake, sensor_id, keys)
        return postgres, lake


def _add_due(total: dict[str, DueCount], sensor_id: str, count: DueCount) -> None:
    so_far = total.get(sensor_id, DueCount(0, 0))
    total[sensor_id] = DueCount(so_far.due + count.due, so_far.not_due + count.not_due)


def _add_keys(total: dict[str, tuple[int, int]], sensor_id: str, count: tuple[int, int]) -> None:
    keys, pending = total.get(sensor_id, (0, 0))
    total[sensor_id] = (keys + count[0], pending + count[1])
