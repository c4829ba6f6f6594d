import pytest

from tests.integration.clients.conftest import Connect, Serve, Told
from tests.integration.clients.hostile import Exchange, Reply, answer, dead_port, document, text
from tsse_validation.clients.qdrant import HEALTHY_TEXTS, QdrantHealth, qdrant_health
from tsse_validation.domain.errors import ElsewhereError, PromiseBrokenError, RefusedError

TITLE = document({"title": "qdrant - vector search engine", "version": "1.15.4"})


def asked(serve: Serve, connect: Connect, health: Reply, title: Reply = TITLE) -> QdrantHealth:
    def reply(exchange: Exchange) -> None:
        (health if exchange.request.path == "/healthz" else title)(exchange)

    return qdrant_health(connect(serve(reply).url, service="Qdrant"))


@pytest.mark.parametrize("said", sorted(HEALTHY_TEXTS))
def test_every_text_that_qdrant_documents_is_healthy(said: str, serve: Serve, connect: Connect) -> None:
    found = asked(serve, connect, text(200, f"{said}\n"))
    assert found.healthy
    assert (found.version, found.text) == ("1.15.4", said)


@pytest.mark.parametrize(
    "health",
    [text(200, "something else"), text(200, ""), text(503, "healthz check passed"), document({"status": "ok"})],
)
def test_anything_else_is_not_healthy(health: Reply, serve: Serve, connect: Connect) -> None:
    assert not asked(serve, connect, health).healthy


@pytest.mark.parametrize("title", [text(404, "no"), document([]), document({}), document({"version": None})])
def test_a_version_that_is_not_said_is_not_needed(title: Reply, serve: Serve, connect: Connect) -> None:
    found = asked(serve, connect, text(200, "healthz check passed"), title)
    assert (found.healthy, found.version) == (True, "not said")


def test_a_qdrant_that_is_not_there_is_told(connect: Connect, told: Told) -> None:
    with told(RefusedError, "Qdrant", "refuses the connection"):
        qdrant_health(connect(f"http://127.0.0.1:{dead_port()}", service="Qdrant"))


STRANGERS: dict[str, tuple[Reply, Reply]] = {
    "the core-server": (document({"status": "ok"}), text(404, "")),
    "a dashboard": (answer(200, "<html>", {"Content-Type": "text/html"}), answer(200, "<html>", {})),
    "nothing of the kind": (text(404, "404 page not found"), text(404, "404 page not found")),
    "a portal": (answer(302, "", {"Location": "/login"}), answer(302, "", {"Location": "/login"})),
    "an empty answer": (answer(200), answer(200)),
    "another title": (text(200, "ok"), document({"title": "Grafana"})),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_is_no_qdrant_is_told_and_breaks_no_promise(
    kind: str, serve: Serve, connect: Connect, told: Told
) -> None:
    health, title = STRANGERS[kind]
    with told(ElsewhereError, "What answers there is no Qdrant: "):
        asked(serve, connect, health, title)


def test_a_web_server_in_its_place_is_told(serve: Serve, connect: Connect, told: Told) -> None:
    page = answer(200, "<html>", {"Content-Type": "text/html"})
    with told(PromiseBrokenError, "text/html"):
        asked(serve, connect, text(200, "healthz check passed"), page)
