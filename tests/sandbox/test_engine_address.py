"""Every part of the project uses the one Docker engine that the user named."""

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sandbox.daemon import LOCAL, Daemon, engine_address
from sandbox.errors import SandboxUnavailable
from tests.support.command import assay

CONTEXTS: dict[str, dict[str, Any]] = {
    "farm": {"Host": "tcp://farm.example:2375", "SkipTLSVerify": False},
    "ünï": {"Host": "unix:///tmp/other.sock"},
    "far": {"Host": "ssh://user@farm.example"},
    "empty": {},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder as DOCKER_CONFIG names it, with contexts and none of them chosen."""
    folder = tmp_path / "docker"
    for name, endpoint in CONTEXTS.items():
        add_context(folder, name, endpoint)
    return folder


def add_context(folder: Path, name: str, endpoint: dict[str, Any]) -> Path:
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / identity / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    return folder / "contexts" / "tls" / identity / "docker"


def choose(folder: Path, name: str | None) -> None:
    chosen = {} if name is None else {"currentContext": name}
    (folder / "config.json").write_text(json.dumps(chosen))


def host(**environment: Any) -> str:
    return engine_address({name: str(value) for name, value in environment.items()}).host


def test_docker_host_wins_over_docker_context_over_the_current_context(config: Path) -> None:
    choose(config, "farm")
    named = {"DOCKER_CONFIG": config, "DOCKER_CONTEXT": "ünï", "DOCKER_HOST": "unix:///a.sock"}

    assert host(**named) == "unix:///a.sock"
    assert host(**named | {"DOCKER_HOST": ""}) == "unix:///tmp/other.sock"
    assert host(DOCKER_CONFIG=config) == "tcp://farm.example:2375"
    assert host(DOCKER_CONFIG=config, DOCKER_CONTEXT="default") == LOCAL
    assert host(HOME=config.parent) == LOCAL


def test_the_docker_command_uses_the_same_engine(config: Path) -> None:
    """All ways of naming an engine, beside what the command itself says."""
    differ = []
    for chosen in (None, "default", "farm", "ünï"):
        choose(config, chosen)
        for context in ("", "default", "farm", "ünï"):
            for name in ("", "unix:///a.sock"):
                variables = {
                    "DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": context, "DOCKER_HOST": name
                }  # fmt: skip
                told = subprocess.run(
                    ["docker", "context", "ls", "--format", "{{.Current}} {{.DockerEndpoint}}"],
                    env={**os.environ, **variables}, capture_output=True, text=True,
                )  # fmt: skip
                current = [line for line in told.stdout.splitlines() if line.startswith("true ")]
                if current != [f"true {engine_address(variables).host}"]:
                    differ.append((chosen, variables, told.stdout + told.stderr))

    assert differ == []


@pytest.mark.parametrize("name", ["gone", "../meta", "", " farm"])
def test_an_unknown_context_is_an_error_that_names_it(config: Path, name: str) -> None:
    choose(config, name or "lost")

    for variables in ({"DOCKER_CONTEXT": name}, {}):
        with pytest.raises(SandboxUnavailable) as caught:
            engine_address({"DOCKER_CONFIG": str(config), **variables})
        assert f"{name or 'lost'!r}" in str(caught.value)
        assert "docker context ls" in str(caught.value)


def test_an_unknown_context_ends_every_command_that_needs_an_engine(
    config: Path, tmp_path: Path
) -> None:
    for command in (["evaluate", "naive"], ["run", "--direct"], ["doctor"], ["reap"]):
        done = assay(
            *command, home=tmp_path / "home",
            DOCKER_HOST="", DOCKER_CONTEXT="gone", DOCKER_CONFIG=str(config),
        )  # fmt: skip

        assert (done.returncode, "'gone'" in done.stderr + done.stdout) == (4, True), command


@pytest.mark.parametrize(
    "address", ["ssh://user@farm", "npipe:////./pipe/docker", "fd://3", "x://"]
)
def test_an_address_that_cannot_hold_cells_is_refused_in_words(config: Path, address: str) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        engine_address({"DOCKER_HOST": address})
    assert f"DOCKER_HOST={address}: an engine behind" in str(caught.value)
    with pytest.raises(SandboxUnavailable, match=r"the Docker context 'far'.*ssh -nNT -L"):
        engine_address({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "far"})


@pytest.mark.parametrize("text", ["{", "[]", "\udcff", "null", '{"currentContext": "empty"}'])
def test_a_damaged_docker_file_is_an_error_not_the_default_engine(config: Path, text: str) -> None:
    (config / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(SandboxUnavailable, match=r"config\.json|'empty'"):
        engine_address({"DOCKER_CONFIG": str(config)})


def test_the_current_folder_names_no_engine(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config)  # it holds contexts/, as any folder may

    with pytest.raises(SandboxUnavailable, match="'farm'"):
        engine_address({"HOME": str(tmp_path / "me"), "DOCKER_CONTEXT": "farm"})


def test_a_context_brings_its_own_certificates(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = add_context(config, "safe", {"Host": "tcp://127.0.0.1:1", "SkipTLSVerify": False})
    tls.mkdir(parents=True)
    (tls / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setenv("DOCKER_CONTEXT", "safe")
    monkeypatch.delenv("DOCKER_HOST", raising=False)

    found = engine_address(os.environ)

    assert (found.tls_folder, found.verify_tls) == (tls, True)
    with pytest.raises(SandboxUnavailable, match=r"context 'safe', tcp://127\.0\.0\.1:1"):
        Daemon()


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An engine's first answer behind TLS that asks for a client's certificate, and the files."""
    files = certificates(tmp_path / "pem")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"ApiVersion": "1.41", "Version": "20.10.24"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "cert.pem", files / "key.pem")
    context.load_verify_locations(files / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"tcp://127.0.0.1:{server.server_port}", files
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_certificates_of_a_context_authenticate_both_sides(
    config: Path, encrypted: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, files = encrypted
    others = certificates(tmp_path / "others")
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setenv("DOCKER_HOST", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(others / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name, given in (("ours", files), ("others", others)):
        tls = add_context(config, name, {"Host": host, "SkipTLSVerify": False})
        shutil.copytree(given, tls)
    add_context(config, "bare", {"Host": host})

    monkeypatch.setenv("DOCKER_CONTEXT", "ours")
    Daemon().close()
    for name in ("others", "bare"):
        monkeypatch.setenv("DOCKER_CONTEXT", name)
        with pytest.raises(SandboxUnavailable, match=rf"the Docker context '{name}', {host}"):
            Daemon()


def certificates(folder: Path) -> Path:
    """Write an authority, and one certificate of it for both sides, as Docker names the files."""
    folder.mkdir()
    today = datetime.now(UTC)
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    for name, own, is_authority in (("ca", authority, True), ("cert", key, False)):
        subject = issuer if is_authority else x509.Name([])
        made = (
            x509.CertificateBuilder(issuer, subject, own.public_key(), x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
                critical=not is_authority,
            )
            .sign(authority, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    return folder
