"""Addresses, proxies and certificates: what cannot work is named as what it is."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from flows.attempt import ProposerRefused
from flows.errors import ConfigError
from flows.proposers.choices import model_settings
from flows.proposers.connection import http_client, proxy_for
from flows.proposers.model import OpenAiProposer
from flows.settings.sections import ProposerConfig
from tests.support import model_server as server
from tests.support.asking import KEY, SOURCE, StillClock, ask, request
from tests.support.model_server import ModelServer

PROXY = {"http_proxy": "http://proxy.example:3128", "https_proxy": "http://proxy.example:3128"}


def refused(url: str, **settings: Any) -> str:
    """Return why a search with a model at this address ends."""
    config = ProposerConfig(kind="openai", model="m", base_url=url, **settings)
    with pytest.raises((ProposerRefused, ConfigError)) as raised:
        OpenAiProposer(config, {"OPENAI_API_KEY": KEY}, StillClock()).propose(request([]))
    return str(raised.value)


def test_the_query_of_an_address_follows_the_path_of_the_api() -> None:
    for settings in (
        {"base_url": "?api-version=2025-01-01"},
        {"query": {"api-version": "2025-01-01"}},
    ):
        with ModelServer(server.policy(SOURCE)) as running:
            own = {**settings, "base_url": running.url + str(settings.get("base_url", ""))}
            config = ProposerConfig(kind="openai", model="m", **own)
            OpenAiProposer(config, {}, StillClock()).propose(request([]))

        assert running.requests[0].path == "/v1/chat/completions?api-version=2025-01-01"


def test_headers_a_header_for_the_key_and_fields_of_the_body_are_sent() -> None:
    asked = ask(
        server.policy(SOURCE),
        headers={"X-Team": "scheduling"},
        key_header="api-key",
        extra_body={"chat_template_kwargs": {"enable_thinking": False}, "top_k": 20},
    )

    sent = asked.server.requests[0]
    assert (sent.headers["x-team"], sent.headers["api-key"]) == ("scheduling", KEY)
    assert "authorization" not in sent.headers
    assert sent.body["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent.body["top_k"] == 20 and "extra_body" not in sent.body


def test_what_is_sent_to_one_server_is_not_sent_to_another() -> None:
    config = ProposerConfig.model_validate({
        "kind": "openai", "base_url": "http://a:1/v1?k=1", "headers": {"X-A": "1"},
        "key_header": "api-key", "query": {"q": "2"}, "extra_body": {"top_k": 1},
        "models": [{"model": "a"}, {"model": "b", "base_url": "http://b:1/v1"},
                   {"model": "c", "extra_body": {}, "headers": {}}],
    })  # fmt: skip

    a, b, c = model_settings(config)

    assert (a.base_url, a.query, a.headers) == ("http://a:1/v1", {"k": "1", "q": "2"}, {"X-A": "1"})
    assert (b.query, b.headers, b.key_header, b.extra_body) == ({}, {}, None, {"top_k": 1})
    assert (c.headers, c.extra_body, c.key_header) == ({}, {}, "api-key")


def test_a_key_among_the_headers_or_in_the_query_is_refused() -> None:
    for name in ("Authorization", "api-key", "Cookie"):
        assert "proposer.key_header" in refused("http://127.0.0.1:1/v1", headers={name: "secret"})
    for url in ("http://127.0.0.1:1/v1?key=hidden", "http://127.0.0.1:1/v1?a=1&API-KEY=hidden"):
        said = refused(url)
        assert "proposer.key_header" in said and "hidden" not in said


def test_a_server_without_a_responses_api_is_asked_for_a_chat_where_that_was_left_open() -> None:
    no_api = server.fails(404, "Not Found")
    found = ModelServer(no_api, server.policy(SOURCE))
    with found as running:
        config = ProposerConfig(kind="openai", model="m", base_url=running.url)
        proposer = OpenAiProposer(config, {}, StillClock())
        proposer._clients[0]._api = "responses"  # what api = "auto" means at OpenAI's own server
        proposal = proposer.propose(request([]))

    assert proposal.source == SOURCE
    paths = [sent.path for sent in running.requests]
    assert paths == ["/v1/responses", "/v1/chat/completions"]
    assert "use --api chat" in ask(no_api, api="responses").refused


def test_a_path_that_leads_nowhere_and_a_redirect_name_the_address() -> None:
    answers = [
        server.raw(b"404 page not found", status=404),
        server.raw(b"", status=405),
        server.raw(b"", status=308, location="https://elsewhere.example/v1/chat/completions"),
    ]
    for answer in answers:
        asked = ask(answer)

        assert "check --base-url" in asked.refused
        assert len(asked.server.requests) == 1


def test_this_machine_is_never_asked_through_a_proxy() -> None:
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "127.8.8.8"):
        assert proxy_for(f"http://{host}/v1", PROXY) is None, host
    assert proxy_for("http://127.0.0.1.example/v1", PROXY) is not None


def test_no_proxy_is_read_in_all_the_forms_that_people_write() -> None:
    for listed in ("gpu.lan", ".lan", "*.lan", "lan", "gpu.lan:8000", "*", "a,gpu.lan", "a gpu.lan",
                   "http://gpu.lan", "::1/128,gpu.lan", "[::1]:9,%%,:,gpu.lan"):  # fmt: skip
        assert proxy_for("http://gpu.lan:8000/v1", {**PROXY, "no_proxy": listed}) is None, listed
    for listed in ("10.0.0.0/8", "10.1.2.3", "10.1.2.3/32"):
        assert proxy_for("http://10.1.2.3/v1", {**PROXY, "NO_PROXY": listed}) is None, listed
    for listed in ("", "::1/128", "other.lan", "pu.lan", "gpu.lan:9", "gpu.lan.example", ","):
        found = proxy_for("http://gpu.lan:8000/v1", {**PROXY, "no_proxy": listed})
        assert found is not None and found.variable == "http_proxy", listed


def test_odd_proxy_variables_do_not_stop_a_local_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "::1/128")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")

    assert ask(server.policy(SOURCE)).outcomes == ["ok"]


def test_a_proxy_that_is_dead_or_of_another_kind_is_named() -> None:
    with ModelServer(server.prose()) as gone:
        dead = gone.url.removesuffix("/v1")
    far = "http://model.example/v1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", dead.replace("http://", "http://user:hidden-password@"))
        said = refused(far)
        assert "(from http_proxy) does not lead to model.example" in said
        assert dead in said and "hidden" not in said
        patch.setenv("http_proxy", "socks5://127.0.0.1:9")
        assert "speaks SOCKS, which needs the package socksio" in refused(far)
        patch.setenv("http_proxy", "gopher://127.0.0.1:9")
        assert "http_proxy names no proxy that can be used" in refused(far)


def test_an_unknown_host_is_named() -> None:
    said = refused("http://no-such-host.invalid/v1")

    assert "the host no-such-host.invalid is not known" in said


def test_missing_certificates_are_named_where_they_are_needed() -> None:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        with pytest.raises(ConfigError, match=f"{variable} names /nowhere, which does not exist"):
            http_client("https://model.example/v1", 1.0, {variable: "/nowhere"})
        http_client("http://model.example/v1", 1.0, {variable: "/nowhere"}).close()


def test_a_server_that_speaks_no_tls_is_named() -> None:
    with ModelServer(server.prose()) as running:
        said = refused(running.url.replace("http://", "https://"))

    assert "does not speak TLS as expected" in said and "http:// or https://" in said


def test_a_certificate_that_nobody_vouches_for_is_named_and_may_be_trusted(tmp_path: Path) -> None:
    with _tls_server(tmp_path) as (port, certificate):
        url = f"https://localhost:{port}/v1"
        said = refused(url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(certificate))
            config = ProposerConfig(kind="openai", model="m", base_url=url)
            proposal = OpenAiProposer(config, {}, StillClock()).propose(request([]))

    assert f"the certificate of localhost:{port} is not trusted" in said
    assert "name your authority's certificates with SSL_CERT_FILE" in said
    assert proposal.source == SOURCE


@contextmanager
def _tls_server(folder: Path) -> Iterator[tuple[int, Path]]:
    """Run a model server behind TLS with a certificate of its own making."""
    certificate, key = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    running = ModelServer(server.policy(SOURCE))
    running._server.socket = context.wrap_socket(running._server.socket, server_side=True)
    with running:
        yield running._server.server_port, certificate


def _certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    return folder / "certificate.pem", folder / "key.pem"
