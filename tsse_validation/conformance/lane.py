"""POSTs that no budget holds back, from an address that has a budget of its own."""

import socket
import time

import httpx

from tsse_validation.clients.budget import PostBudget
from tsse_validation.clients.http import Answer
from tsse_validation.domain.errors import BudgetError, UnreachableError
from tsse_validation.runlog.redaction import Redactor

LONGEST_BUDGET_WAIT_SECONDS = 120.0


class Lane:
    """POSTs from one address of this machine: the controller gives each address a budget of its own (section 3).

    `fresh` says that the address is the lane's alone. Where loopback has one only, it shares the run's budget.
    """

    def __init__(self, url: str, number: int, shared: PostBudget, timeout: float) -> None:
        address = f"127.0.0.{number}"
        self.fresh = httpx.URL(url).host == "127.0.0.1" and _is_ours(address)
        self.budget = PostBudget(time.monotonic) if self.fresh else shared
        transport = httpx.HTTPTransport(local_address=address if self.fresh else None, trust_env=False)
        self._client = httpx.Client(base_url=url, transport=transport, timeout=timeout, trust_env=False)

    def post(self, path: str, headers: dict[str, str], body: bytes | None, redactor: Redactor) -> Answer:
        """POST at once, whatever the budget, and return the answer.

        Raises:
            UnreachableError: there was none.

        """
        self.budget.spend("conformance")
        began = time.monotonic()
        try:
            response = self._client.post(path, headers=headers, content=body)
        except httpx.HTTPError as error:
            msg = f"core-server did not answer POST {path} ({type(error).__name__})."
            raise UnreachableError(msg, "Did it crash? Look at its log.") from None
        seconds = time.monotonic() - began
        return Answer(
            str(response.url), response.status_code, response.headers, response.content, seconds, redactor
        )

    def wait_for_budget(self) -> None:
        """Wait until a POST is within the budget.

        Raises:
            BudgetError: that would take minutes.

        """
        delay = self.budget.delay()
        if delay > LONGEST_BUDGET_WAIT_SECONDS:
            raise BudgetError(
                "The controller's POST budget is used up.", "Run the conformance tests by themselves."
            )
        if delay:
            time.sleep(delay)
            self.budget.waited(delay)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _is_ours(address: str) -> bool:
    """Whether this machine's loopback has the address: Linux has all of 127.0.0.0/8, macOS one."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
