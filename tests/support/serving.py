"""A service of these tests' own, on a free port."""

from collections.abc import Callable

from fixtures.processes import ManagedProcess, http_ready, start_on_free_port


def healthy(port: int) -> bool:
    """Tell whether a service on this machine says that it is well."""
    return http_ready(f"http://127.0.0.1:{port}/healthz")


def serve(process: ManagedProcess, argv: list[str], ready: Callable[[int], bool] = healthy) -> int:
    """Start a service that takes `--port`, wait until it is ready, and return its port."""
    return start_on_free_port(process, lambda port: [*argv, "--port", str(port)], ready, 30)
