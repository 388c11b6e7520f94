"""Keeps requests to this machine away from proxies, whichever HTTP library makes them."""

import re
from collections.abc import Iterator, MutableMapping
from ipaddress import IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

NAMES = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"\.?[A-Za-z0-9_*-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?")


def is_loopback(url: str) -> bool:
    """Return whether ``url`` names this machine: ``localhost`` or an address that never leaves it.

    Give a client for such an address no proxies at all (``trust_env=False``).
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def never_proxy_loopback(environment: MutableMapping[str, str]) -> None:
    """Have libraries that read ``NO_PROXY`` from ``environment`` ask this machine directly.

    Entries that libraries read differently are rewritten, and those that make one of them fail
    (``::1/128`` stops httpx) are left out.
    """
    given = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    entries = [*filter(None, map(str.strip, given.split(",")))]
    kept = ["*"] if "*" in entries else [name for each in entries for name in _readable(each)]
    value = ",".join(dict.fromkeys((*kept, *NAMES)))
    environment["no_proxy"] = environment["NO_PROXY"] = value


def _readable(entry: str) -> Iterator[str]:
    bare = entry.strip("[]")
    try:
        network = ip_network(bare, strict=False)
    except ValueError:
        if _HOST.fullmatch(entry) and "xn--" not in entry.lower():
            yield entry
        return
    if not isinstance(network, IPv6Network):
        yield bare
    elif network.prefixlen == network.max_prefixlen:
        yield str(network.network_address)
