"""Tries the cluster of a run: its scheduler, its workers, their software, and that they see the lake."""

from collections.abc import Mapping

from tsse_validation.domain.phrasing import count_of
from tsse_validation.settings.definitions import Settings, option_of
from tsse_validation.settings.loading import DEFAULT
from tsse_validation.steps.attempts import Attempt, Chain, Seen

_WORKERS_SECONDS = 2.0
"""How long a first worker, and an equal sight of the lake, are waited for: a run waits longer."""


def cluster_tried(settings: Settings, sources: Mapping[str, str]) -> Chain:
    """Yield the try of the cluster, where there is one."""
    address, hot = settings.cluster, settings.hot_path
    if address is None:
        return

    def look() -> Seen:
        from tsse_validation.lake.cluster import try_cluster
        from tsse_validation.lake.cluster_client import ClusterWaits

        waits = ClusterWaits(settings.connect_timeout, _WORKERS_SECONDS, _WORKERS_SECONDS)
        threads = try_cluster(address, hot.absolute() if hot else None, waits)
        sees = " and see the lake" if hot else ""
        return Seen(f"a scheduler and {count_of(threads, 'thread')} of workers, which have our software{sees}.")

    yield Attempt(option_of("cluster"), sources.get("cluster", DEFAULT), lambda: address, look)
