"""This machine is never asked through a proxy, whatever the environment says."""

import os
import ssl

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.loopback import is_loopback, never_proxy_loopback

ENTRIES = st.one_of(
    st.sampled_from(
        ["::1/128", "[::1]", "[::1]:80", "fe80::/10", "127.0.0.0/8", "10.0.0.1", "é", "xn--a", "*"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"{address}/64"),
)
TLS = ssl.create_default_context()
HERE = ["http://127.0.0.1:4200/api", "http://localhost/v1", "http://[::1]:8000/"]


@given(st.lists(ENTRIES, max_size=5), st.sampled_from(["NO_PROXY", "no_proxy"]))
def test_no_text_in_no_proxy_stops_a_client_or_sends_this_machine_through_a_proxy(
    entries: list[str], name: str
) -> None:
    environment = {name: ",".join(entries), "http_proxy": "http://127.0.0.1:9"}

    never_proxy_loopback(environment)

    with pytest.MonkeyPatch.context() as patch:
        for variable in ("all_proxy", "https_proxy", "http_proxy"):
            patch.delenv(variable, raising=False)
            patch.delenv(variable.upper(), raising=False)
        for variable, value in environment.items():
            patch.setitem(os.environ, variable, value)
        for library in (httpx, httpx2):
            with library.Client(verify=TLS) as client:
                for url in HERE:
                    used = client._transport_for_url(library.URL(url))
                    assert used is client._transport, (library.__name__, url)


def test_what_may_go_through_a_proxy_stays_as_it_was() -> None:
    environment = {"NO_PROXY": "a.example, .inner.example,10.0.0.0/8,host:8080"}

    never_proxy_loopback(environment)
    never_proxy_loopback(environment)

    assert environment["NO_PROXY"] == environment["no_proxy"]
    assert environment["NO_PROXY"].split(",") == [
        "a.example", ".inner.example", "10.0.0.0/8", "host:8080", "localhost", "127.0.0.1", "::1",
    ]  # fmt: skip


def test_only_addresses_of_this_machine_are_loopback() -> None:
    here = [*HERE, "http://127.8.8.8:1", "https://LOCALHOST.:1/v1", "http://user:pass@127.0.0.1"]
    away = ["https://api.openai.com", "http://localhost.evil.example", "http://127.0.0.1.evil", ""]
    away += ["http://10.0.0.1", "localhost", "http://[::1", "http://evil/@127.0.0.1"]

    assert [url for url in here if not is_loopback(url)] == []
    assert [url for url in away if is_loopback(url)] == []
