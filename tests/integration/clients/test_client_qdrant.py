import pytest

from tests.integration.clients.conftest import Connect, Serve, Told
from tests.integration.clients.hostile import Exchange, Reply, answer, dead_port, document, text
from tsse_validation.clients.core import HEALTHY_TEXTS, QdrantHealth, qdrant_health
from tsse_validation.domain.errors import PromiseBrokenError, UnreachableError

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
    with told(UnreachableError, "Qdrant", "refuses the connection"):
        qdrant_health(connect(f"http://127.0.0.1:{dead_port()}", service="Qdrant"))


def test_a_web_server_in_its_place_is_told(serve: Serve, connect: Connect, told: Told) -> None:
    page = answer(200, "<html>", {"Content-Type": "text/html"})
    with told(PromiseBrokenError, "text/html"):
        asked(serve, connect, text(200, "healthz check passed"), page)
