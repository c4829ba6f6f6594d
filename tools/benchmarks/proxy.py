"""A TCP proxy on loopback that counts what a server sends: the bytes that a contender moves out of Postgres."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BLOCK = 256 * 1024


class CountingProxy(socketserver.ThreadingTCPServer):
    """Forwards to a port of this machine; `received` counts the bytes that came from there."""

    daemon_threads = True

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target_port = target_port
        self.received = 0
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The port to connect to."""
        return int(self.server_address[1])

    def count(self, received: int) -> None:
        """Add what one connection got."""
        with self._lock:
            self.received += received


class _Connection(socketserver.BaseRequestHandler):
    server: CountingProxy

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.target_port)) as target:
            upwards = threading.Thread(target=_forward, args=(self.request, target), daemon=True)
            upwards.start()
            self.server.count(_forward(target, self.request))
            upwards.join()


def _forward(source: socket.socket, target: socket.socket) -> int:
    """Forward until the source ends; return how many bytes that were."""
    total = 0
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            target.sendall(block)
            total += len(block)
    for end, how in ((source, socket.SHUT_RD), (target, socket.SHUT_WR)):
        with suppress(OSError):
            end.shutdown(how)
    return total


@contextmanager
def counting_proxy(target_port: int) -> Iterator[CountingProxy]:
    """Run a proxy to a port for a while."""
    with CountingProxy(target_port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
