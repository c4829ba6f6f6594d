"""What is no core-server has promised nothing; what has once answered as one is held to its word."""

from collections.abc import Callable

import pytest

from tests.integration.clients.conftest import Bench, Told
from tests.integration.clients.hostile import Exchange, Reply, answer, document, text
from tests.support.builders import a_job
from tsse_validation.clients.core import CoreClient
from tsse_validation.domain.contract import INSPECT_JOB, JOB_NOT_FOUND_TEXT, UNAUTHORIZED_TEXT
from tsse_validation.domain.errors import ElsewhereError, PromiseBrokenError, UnreachableError
from tsse_validation.steps.services import hold_core_health, hold_refused, hold_token_accepted

MakeBench = Callable[..., Bench]
HTML = {"Content-Type": "text/html"}
PAGE = answer(200, "<html>Log in to the network</html>", HTML)
OK = document({"status": "ok"})
REFUSED = text(401, UNAUTHORIZED_TEXT)
JOB_ID = a_job(INSPECT_JOB).id


def served(health: Reply, jobs: Reply) -> Reply:
    """Answer health in one way, and everything else in another."""

    def reply(exchange: Exchange) -> None:
        (health if exchange.request.path.endswith("/healthz") else jobs)(exchange)

    return reply


STRANGERS: dict[str, tuple[Reply, Reply, str]] = {
    "a web page": (PAGE, PAGE, "text/html where JSON is promised"),
    "a 404 page": (answer(404, "<html>nginx", HTML), answer(404, "<html>nginx", HTML), "answered 404"),
    "a 404 in JSON": (document({"detail": "Not Found"}, 404), document({"detail": "Not Found"}, 404), "404"),
    "Qdrant": (text(200, "healthz check passed"), text(404, ""), "“healthz check passed”"),
    "a captive portal": (
        answer(302, "", {"Location": "http://portal.example/"}),
        answer(302, "", {"Location": "http://portal.example/"}),
        "answered with a redirect (302)",
    ),
    "an empty answer": (answer(200), answer(200), "no content type where JSON is promised"),
    "another service": (document({"status": "UP"}), document({}, 404), "answered 200"),
    "broken JSON": (answer(200, "{", {"Content-Type": "application/json"}), text(404, ""), "broken JSON"),
    "a service that is down": (text(500, "Oops"), text(500, "Oops"), "answered 500"),
    "a list": (document([]), document([]), "answered 200"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_is_no_core_server_and_no_broken_promise(kind: str, bench: MakeBench, told: Told) -> None:
    health, jobs, words = STRANGERS[kind]
    core: CoreClient = bench(served(health, jobs)).core
    with told(ElsewhereError, "What answers there is no core-server: ", words):
        core.health()
    with told(ElsewhereError):
        core.identify()


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_is_not_given_the_token(kind: str, bench: MakeBench) -> None:
    health, jobs, _words = STRANGERS[kind]
    made = bench(served(health, jobs))
    with pytest.raises(ElsewhereError):
        made.core.identify()
    assert not any("authorization" in request.headers for request in made.server.requests)


def broken_health(core: CoreClient) -> None:
    hold_core_health(core.health())


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("by", ["its health", "a refusal"])
def test_who_has_answered_as_a_core_server_is_held_to_it(kind: str, by: str, bench: MakeBench) -> None:
    health, _jobs, _words = STRANGERS[kind]
    replies = [OK, health] if by == "its health" else [served(health, REFUSED)]
    core: CoreClient = bench(*replies).core
    if by == "its health":
        core.health()
    with pytest.raises(PromiseBrokenError):
        broken_health(core)


def test_a_token_that_another_client_of_the_server_has_shown_counts_too(bench: MakeBench) -> None:
    core: CoreClient = bench(OK, PAGE).core
    core.health()
    with pytest.raises(PromiseBrokenError):
        broken_health(core.with_token(core.token))


@pytest.mark.parametrize(
    "said", [text(404, "404 page not found"), document({"detail": "Not Found"}, 404), text(405, "")]
)
@pytest.mark.parametrize("ask", [hold_token_accepted, lambda core: hold_refused(core, "no-token")])
def test_another_service_may_be_well_too_and_has_no_api(
    said: Reply, ask: Callable[[CoreClient], None], bench: MakeBench, told: Told
) -> None:
    core: CoreClient = bench(served(OK, said)).core
    core.health()
    with told(ElsewhereError, "There is no core-server's API at "):
        ask(core)
    with told(ElsewhereError):
        core.create_job(INSPECT_JOB, {}, purpose="inspect")


def test_an_api_that_is_gone_after_it_was_there_breaks_its_promise(bench: MakeBench) -> None:
    core: CoreClient = bench(OK, text(404, JOB_NOT_FOUND_TEXT), text(404, "404 page not found")).core
    core.health()
    hold_token_accepted(core)
    with pytest.raises(PromiseBrokenError):
        hold_token_accepted(core)
    with pytest.raises(PromiseBrokenError):
        core.job(JOB_ID)


def test_a_database_that_is_away_says_nothing_of_who_answers(bench: MakeBench) -> None:
    core: CoreClient = bench(served(OK, text(503, "Database unavailable"))).core
    core.health()
    with pytest.raises(UnreachableError):
        core.job(JOB_ID)
