"""One HTTP exchange with servers that do everything wrong."""

from pathlib import Path

import pytest

from tests.integration.clients.conftest import TIMEOUT_SECONDS, Connect, Serve, Told
from tests.integration.clients.hostile import (
    CERTIFICATE,
    JSON_TYPE,
    Exchange,
    answer,
    dead_port,
    document,
    drop,
    hang,
    raw,
    text,
)
from tsse_validation.clients import http as http_module
from tsse_validation.clients.allowed import Call
from tsse_validation.domain.errors import (
    DeadlineError,
    PromiseBrokenError,
    RefusedError,
    SettingsError,
    SuiteError,
    UnreachableError,
)

GOOD = document({"status": "ok"})


def test_an_answer_is_read_whole_with_its_headers_and_its_time(serve: Serve, connect: Connect) -> None:
    server = serve(document({"a": "ü"}, headers={"Date": "Sat, 24 Jan 2026 16:29:48 GMT"}))
    got = connect(server.url).get("/healthz", headers={"X-Own": "1"})
    assert (got.status, got.json(), got.headers["date"]) == (200, {"a": "ü"}, "Sat, 24 Jan 2026 16:29:48 GMT")
    assert got.url == f"{server.url}/healthz"
    assert got.seconds > 0
    assert server.requests[0].headers["x-own"] == "1"


def test_a_proxy_set_outside_is_not_used(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{dead_port()}")
    assert connect(serve(GOOD).url).get("/").status == 200


def test_a_dead_port_refuses_the_connection(connect: Connect, told: Told) -> None:
    url = f"http://127.0.0.1:{dead_port()}"
    with told(RefusedError, "core-server", url, "refuses the connection"):
        connect(url).get("/healthz")


def test_a_host_that_nobody_knows_is_told_from_one_that_is_down(connect: Connect, told: Told) -> None:
    with told(UnreachableError, "host name", "is not known"):
        connect("http://no-such-host.invalid").send("GET", "/healthz")


def test_a_hung_server_is_given_up_and_not_asked_for_ever(serve: Serve, connect: Connect, told: Told) -> None:
    server = serve(hang)
    with told(UnreachableError, "did not answer within"):
        connect(server.url, timeout=TIMEOUT_SECONDS).get("/healthz")
    assert len(server.requests) == 3


def test_a_connection_that_is_not_taken_up_is_given_up(serve: Serve, connect: Connect, told: Told) -> None:
    server = serve(silent=True)
    with told(UnreachableError, "did not take the connection in time"):
        connect(server.https_url, timeout=TIMEOUT_SECONDS).send("GET", "/healthz")


def test_a_body_that_drips_is_given_up_at_the_whole_deadline(serve: Serve, connect: Connect, told: Told) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        exchange.drip(b"{ ")

    with told(DeadlineError, "was still answering after"):
        connect(serve(drip).url, timeout=TIMEOUT_SECONDS).get("/healthz")


def test_a_chunked_body_that_never_ends_is_given_up_too(serve: Serve, connect: Connect, told: Told) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not exchange.over.wait(0.02):
            exchange.send(b"1\r\nx\r\n")

    with told(DeadlineError, "was still answering after"):
        connect(serve(drip).url, timeout=TIMEOUT_SECONDS).get("/healthz")


@pytest.mark.parametrize(
    "torn",
    [
        drop,
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
        raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
        raw(b"\x00\x01\x02\x03\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip"),
    ],
)
def test_a_torn_answer_is_an_unreachable_service(torn: object, serve: Serve, connect: Connect, told: Told) -> None:
    assert callable(torn)
    with told(UnreachableError, "core-server", "GET"):
        connect(serve(torn).url).get("/healthz")


def test_a_get_is_tried_again_when_the_connection_breaks_and_then_works(serve: Serve, connect: Connect) -> None:
    server = serve(drop, drop, GOOD)
    assert connect(server.url).get("/healthz").json() == {"status": "ok"}
    assert len(server.requests) == 3


def test_what_may_change_something_is_sent_once_only(serve: Serve, connect: Connect, told: Told) -> None:
    server = serve(drop, GOOD)
    with told(UnreachableError, "POST"):
        connect(server.url, calls=[Call("POST", "/change")]).send("POST", "/change")
    assert len(server.requests) == 1


def test_tls_spoken_to_a_plain_port_is_told(serve: Serve, connect: Connect, told: Told) -> None:
    with told(UnreachableError, "does not speak TLS"):
        connect(serve(GOOD).https_url).get("/healthz")


def test_plain_http_spoken_to_a_tls_port_is_told(serve: Serve, connect: Connect, told: Told) -> None:
    with told(UnreachableError, "core-server"):
        connect(serve(GOOD, tls=True).url).get("/healthz")


def test_a_certificate_that_nobody_has_signed_is_not_trusted(serve: Serve, connect: Connect, told: Told) -> None:
    server = serve(GOOD, tls=True)
    with told(UnreachableError, "TLS certificate", "is not trusted"):
        connect(server.https_url).get("/healthz")
    assert server.requests == []


def test_a_certificate_is_trusted_by_its_ca_file(serve: Serve, connect: Connect) -> None:
    server = serve(GOOD, tls=True)
    assert connect(server.https_url, ca_file=CERTIFICATE).get("/healthz").status == 200


def test_a_certificate_of_another_name_is_not_trusted(serve: Serve, connect: Connect, told: Told) -> None:
    server = serve(GOOD, tls=True)
    with told(UnreachableError, "is not trusted"):
        connect(f"https://127.1:{server.port}", ca_file=CERTIFICATE).get("/healthz")


@pytest.mark.parametrize("content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_ca_file_without_a_certificate_is_refused(content: str, tmp_path: Path, connect: Connect) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="holds no PEM certificate"):
        connect("https://127.0.0.1:1", ca_file=file)


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_no_redirect_is_followed(status: int, serve: Serve, connect: Connect, told: Told) -> None:
    elsewhere = serve(GOOD)
    server = serve(answer(status, headers={"Location": f"{elsewhere.url}/healthz"}))
    with told(PromiseBrokenError, "redirect", str(status)):
        connect(server.url).get("/healthz", headers={"Authorization": "Bearer x"})
    assert elsewhere.requests == []


def test_an_answer_up_to_the_cap_is_read_and_one_beyond_it_is_refused(
    serve: Serve, connect: Connect, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "MAX_ANSWER_BYTES", 2**20)
    assert len(connect(serve(answer(200, b"x" * 2**20)).url).get("/").body) == 2**20
    with told(PromiseBrokenError, "answered more than 1 MiB"):
        connect(serve(answer(200, b"x" * (2**20 + 1))).url).get("/")


def test_an_endless_answer_is_refused_at_the_cap(
    serve: Serve, connect: Connect, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "MAX_ANSWER_BYTES", 2**20)

    def flood(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not exchange.over.is_set():
            exchange.send(b"x" * 65_536)

    with told(PromiseBrokenError, "answered more than 1 MiB"):
        connect(serve(flood).url).get("/")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answer(200, "<html><h1>Welcome</h1></html>", {"Content-Type": "text/html; charset=utf-8"}), "text/html"),
        (text(200, '{"status":"ok"}'), "text/plain"),
        (answer(200, "{}"), "no content type"),
        (answer(200, b"\xff\xfe\x00", {"Content-Type": "application/octet-stream"}), "application/octet-stream"),
        (answer(200, '{"status": "o', JSON_TYPE), "broken JSON"),
        (answer(200, "", JSON_TYPE), "broken JSON (0 bytes)"),
        (answer(200, b'{"a": "\xff"}', JSON_TYPE), "broken JSON"),
        (answer(200, "[" * 100_000, JSON_TYPE), "broken JSON"),
    ],
)
def test_what_is_not_json_is_told_so(reply: object, says: str, serve: Serve, connect: Connect, told: Told) -> None:
    assert callable(reply)
    got = connect(serve(reply).url).get("/healthz")
    with told(PromiseBrokenError, says):
        got.json()


def test_an_excerpt_is_short_and_on_one_line(serve: Serve, connect: Connect) -> None:
    got = connect(serve(text(500, "first\n\n second\t" + "x" * 10_000)).url).get("/")
    assert got.excerpt().startswith("first second xxx")
    assert len(got.excerpt()) <= 120


def test_an_error_of_the_server_is_an_answer_and_no_exception(serve: Serve, connect: Connect) -> None:
    got = connect(serve(text(500, "oh dear")).url).get("/")
    assert (got.status, got.text) == (500, "oh dear")


def test_every_way_to_fail_is_an_error_of_the_suite(serve: Serve, connect: Connect) -> None:
    for reply in (drop, raw(b"\r\n\r\n"), raw(b"HTTP/1.1 999999 \r\n\r\n")):
        with pytest.raises(SuiteError):
            connect(serve(reply).url).get("/")


def test_headers_that_drip_are_given_up_at_the_deadline_too(serve: Serve, connect: Connect) -> None:
    arrived: list[int] = []

    def drip(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for count in range(30):
            exchange.over.wait(0.05)
            exchange.send(b"x")
            arrived.append(count)
        exchange.send(b"\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(SuiteError):
        connect(serve(drip).url, timeout=TIMEOUT_SECONDS).get("/healthz")
