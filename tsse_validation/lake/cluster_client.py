"""Speaks to a Dask cluster: opened with a short timeout, silent, and held to our own software and lake."""

import asyncio
import logging
import re
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from distributed import Client, Security
from distributed.comm.addressing import get_address_host_port
from distributed.core import rpc

from tsse_validation.domain.errors import ClusterError, SettingsError, UnreachableError
from tsse_validation.domain.phrasing import count_of, listed
from tsse_validation.domain.polling import Told, looks, poll
from tsse_validation.lake.at_worker import SUITE, Software, WorkerLook, in_words, look, software, state_of

_LOUD = ("distributed", "tornado", "asyncio")
_SILENT = logging.CRITICAL + 1
_SHOWN = 3
_OBJECT = re.compile(r"^in <[^>]*>: ")
"""With which Dask begins what a connection has met."""
_PAUSE = 0.5
_ANOTHER = (OSError, ValueError, TypeError, RuntimeError, MemoryError, EOFError)
"""What comes of bytes that are no word of a scheduler's."""
SAME_ENVIRONMENT = "Start scheduler and workers from the same environment as this command."


@dataclass(frozen=True)
class ClusterWaits:
    """How many seconds a cluster is waited for: to connect, for any worker, and for workers to see what we see.

    A network file system may show a directory as it was a minute ago.
    """

    connect: float = 5
    workers: float = 60
    sight: float = 90


USUAL_WAITS = ClusterWaits()


@contextmanager
def cluster_client(address: str, waits: ClusterWaits) -> Iterator[Client]:
    """Open a client of the scheduler at an address, and close it.

    Raises UnreachableError where none answers, ClusterError where something else does; SettingsError where Dask's
    own configuration names no certificates for a `tls://` address.
    """
    with _silenced():
        _identify(address, waits.connect)
        client = Client(address, timeout=waits.connect, set_as_default=False, name=SUITE)
        try:
            yield client
        finally:
            with suppress(OSError, RuntimeError):
                client.close(timeout=waits.connect)


def await_workers(client: Client, address: str, waits: ClusterWaits, told: Told) -> int:
    """Return how many threads the workers have; raises ClusterError where there is no worker in time."""

    def begins(seconds: float) -> None:
        told(f"a worker at {address}", seconds)

    threads = poll(client.nthreads, bool, timeout=waits.workers, pause=_PAUSE, begins=begins)
    if not threads:
        msg = f"The Dask cluster at {address} has no worker: waited {waits.workers:,.0f} s for one."
        raise ClusterError(msg, f"Start some: dask worker {address}")
    return sum(threads.values())


def hold_workers(client: Client, hot: Path, waits: ClusterWaits, told: Told) -> None:
    """Hold that scheduler and workers have our own software, and that workers see the lake that we see.

    Raises ClusterError with the worker and what is amiss there, before it is given any work.
    """
    hold_software(client)
    hold_software(client)
    ours: set[str] = set()
    begun = False
    for found in looks(lambda: _looked(client, hot), timeout=waits.sight, pauses=repeat(_PAUSE)):
        _hold_lake_there(found, hot)
        ours.add(state_of(hot)[1])
        others = [who for who, seen in found.items() if seen.state not in ours]
        if not others:
            return
        if not begun:
            told(f"{_named(others)} to see the lake's state as it is here", waits.sight)
            begun = True
    msg = f"Another lake than here, or an old state of it, is at {hot} on {_named(others)}."
    raise ClusterError(msg, "Mount the same lake there, with caches of attributes of no more than some seconds.")


def hold_software(client: Client) -> None:
    """Hold that scheduler and workers have our own software; errors as in `hold_workers`."""
    versions: Any = client.get_versions(packages=[SUITE])
    ours = software()
    names = _names(client)
    amiss = []
    if (theirs := versions["scheduler"]["packages"][SUITE]) != ours[SUITE]:
        amiss.append(_other("the scheduler", SUITE, theirs, ours))
    for address, seen in versions["workers"].items():
        python = seen["packages"]["python"].split(".")
        theirs = {SUITE: seen["packages"][SUITE], "Python": ".".join(python[:2])}
        amiss += [
            _other(names(address), what, theirs[what], ours) for what in theirs if theirs[what] != ours[what]
        ]
    _refuse(amiss)
    found = client.run(software, on_error="return")
    for address, theirs in found.items():
        if isinstance(theirs, Exception):
            amiss.append(f"{names(address)} cannot run tsse-validation: {_brief(theirs)}")
        else:
            amiss += others_software(names(address), theirs)
    _refuse(amiss)


def others_software(worker: str, theirs: Software) -> list[str]:
    """Say each thing in which a worker's software is not ours."""
    ours = software()
    if theirs.get(SUITE) == ours[SUITE] and theirs.get("its code") != ours["its code"]:
        return [f"{worker} has other code of {SUITE} {ours[SUITE]} than this machine"]
    return [_other(worker, what, theirs.get(what), ours) for what in ours if theirs.get(what) != ours[what]]


def refuse_software(worker: str, theirs: Software) -> None:
    """Raise ClusterError where a worker's software is not ours."""
    _refuse(others_software(worker, theirs))


def _refuse(amiss: Sequence[str]) -> None:
    if amiss:
        more = f"; and {count_of(len(amiss) - _SHOWN, 'more')}" if len(amiss) > _SHOWN else ""
        msg = f"The cluster is not as this machine: {'; '.join(amiss[:_SHOWN])}{more}."
        raise ClusterError(msg, SAME_ENVIRONMENT)


def _other(who: str, what: str, theirs: str | None, ours: Software) -> str:
    has = f"has {what} {theirs}" if theirs else f"has no {what}"
    return f"{who} {has}, and this machine {ours[what]}"


def _looked(client: Client, hot: Path) -> dict[str, WorkerLook]:
    names = _names(client)
    found = client.run(look, hot, on_error="return")
    return {
        f"{names(address)} on {seen.host}": seen for address, seen in found.items() if isinstance(seen, WorkerLook)
    }


def _hold_lake_there(found: Mapping[str, WorkerLook], hot: Path) -> None:
    blind = {who: seen.state for who, seen in found.items() if not seen.there}
    if blind:
        msg = f"There is no lake to be seen at {hot} on {_named(list(blind))}: {next(iter(blind.values()))}."
        raise ClusterError(msg, "Mount it there under the same path for the worker's user, or end that worker.")


def _named(workers: Sequence[str]) -> str:
    more = [f"{len(workers) - _SHOWN} more"] if len(workers) > _SHOWN else []
    return listed([*workers[:_SHOWN], *more])


def _names(client: Client) -> Callable[[str], str]:
    """Return what gives the cluster's own name of a worker, by its address."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return lambda address: in_words(workers.get(address, {}).get("name", address), address)


def _identify(address: str, seconds: float) -> None:
    """Hold that a scheduler answers: a `Client` of anything else is loud, and is closed late."""
    try:
        arguments: dict[str, Any] = Security().get_connection_args("client")
    except OSError as error:
        msg = f"A certificate that Dask's configuration names cannot be read: {_brief(error)}."
        raise SettingsError(msg) from None
    if address.startswith(("tls://", "wss://")) and arguments.get("ssl_context") is None:
        msg = f"--cluster {address} needs certificates, and Dask's configuration names none."
        raise SettingsError(msg, "Set distributed.comm.tls there: ca-file, client.cert and client.key.")
    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook has a loop of its own in this one
            kind = thread.submit(asyncio.run, _kind(address, seconds, arguments)).result()
    except _ANOTHER as error:  # a TimeoutError is an OSError
        why = _not_connected(address, seconds)
        if not why:
            late = isinstance(error, TimeoutError)
            why = f"no answer in {seconds:,.0f} s" if late else _brief(error.__cause__ or error)
        raise _unreachable(address, why) from None
    if kind != "Scheduler":
        msg = f"What answers at {address} is no scheduler, but a {kind.lower()}."
        raise ClusterError(msg, "Give the scheduler's address: its log has it.")


async def _kind(address: str, seconds: float, arguments: Mapping[str, Any]) -> str:
    async with rpc(address, timeout=seconds, connection_args=arguments) as scheduler:
        identity = await asyncio.wait_for(scheduler.identity(), seconds + 1)
    return str(identity.get("type", "stranger")) if isinstance(identity, dict) else "stranger"


def _not_connected(address: str, seconds: float) -> str:
    """Say why no connection can be made, or nothing: Dask tries again and again, and tells of its own time."""
    try:
        socket.create_connection(get_address_host_port(address), seconds).close()
    except (OSError, ValueError) as error:
        return "" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
    return ""


def _unreachable(address: str, why: str) -> UnreachableError:
    msg = f"No Dask scheduler answers at {address}: {why}."
    return UnreachableError(msg, "Does it run there, and is --cluster the address that its log has?")


def _brief(error: BaseException) -> str:
    words = _OBJECT.sub("", " ".join(str(error).split()))
    return words[:160] or type(error).__name__


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep Dask's own words off the terminal: each that matters is told in ours, once."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith(_LOUD)]
    levels = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(_SILENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
