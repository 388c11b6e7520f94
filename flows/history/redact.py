"""Takes secrets out of text before it is written anywhere that lasts."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

REDACTED = "[redacted]"

MIN_SECRET_LENGTH = 6
"""Shorter secrets are placeholders such as ``none``; taking them out would maim ordinary words."""

MIN_GUESSED_LENGTH = 8
"""Of a value that only its variable's name gives away: shorter ones may be ordinary words."""

_VARIABLE = re.compile(
    r"(?i)(^|_)(API|ACCESS|AUTH|PG|PRIVATE)?"
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|DSN)$"
)
_KEY_NAME = r"(?:api[-_ ]?key|access[-_ ]?token|auth[-_ ]?token|secret[-_ ]?key|password|passwd)"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Keys of model providers, code hosts and clouds, by their published prefixes.
    (re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-*]{12,}"), REDACTED),
    (re.compile(r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{20,}"), REDACTED),
    (re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"), REDACTED),
    (re.compile(r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_\-]{30,}"), REDACTED),
    # An HTTP header or a quoted field that carries a credential.
    (
        re.compile(r"(?i)\b(bearer|authorization[\"']?\s*[:=]\s*[\"']?basic)\s+[\w.~+/\-]{8,}=*"),
        rf"\1 {REDACTED}",
    ),
    (
        re.compile(rf"(?i)(\b{_KEY_NAME}[\"']?\s*[:=]\s*[\"']?)[A-Za-z0-9._~+/\-]{{12,}}=*"),
        rf"\1{REDACTED}",
    ),
    # A password inside an address, scheme://user:password@host, or a token in the user's place.
    # Each begins at a sign that its own repetitions stop at, so that no text is read twice over.
    (re.compile(r"(?i)(?<=[a-z0-9+.\-])(://[^\s/:@]*:)[^\s/@]+@"), rf"\1{REDACTED}@"),
    (re.compile(r"(?i)(\bhttps?://)[^\s/:@\[]{8,}@"), rf"\1{REDACTED}@"),
    # A credential in the query of an address.
    (re.compile(r"(?i)([?&](?:key|token|sig|signature|auth)=)[^\s&#\"'\[]{8,}"), rf"\1{REDACTED}"),
)

_NUMBERS = (int, float, type(None))

_SECRET_FIELDS = frozenset(
    "api_key apikey authorization proxy-authorization cookie set-cookie password passwd "
    "secret token access_token x-api-key".split()
)


def environment_secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names say that they are keys, tokens or passwords."""
    found = {
        value.strip()
        for name, value in environment.items()
        if _VARIABLE.search(name) and len(value.strip()) >= MIN_GUESSED_LENGTH
    }
    # A path to a file that holds a key is no secret, and may be part of many harmless texts.
    return tuple(sorted(value for value in found if not value.startswith(("/", "~"))))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without the given secrets, in any form they travel in, and without known keys."""
    known = _known(tuple(secrets))
    if known is not None:
        text = known.sub(REDACTED, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy of a JSON-like value with every string redacted, names of fields included."""
    secrets = tuple(secrets)
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {_name(str(k), secrets): _field(str(k), v, secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        # Timelines hold thousands of numbers, which keep no secret.
        return [v if isinstance(v, _NUMBERS) else redact_value(v, secrets) for v in value]
    return value


@lru_cache(maxsize=4096)
def _name(name: str, secrets: tuple[str, ...]) -> str:
    """A field's name redacted; the same few names come again and again."""
    return redact(name, secrets)


def _field(name: str, value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str) and value and name.lower() in _SECRET_FIELDS:
        return REDACTED
    return redact_value(value, secrets)


@lru_cache(maxsize=16)
def _known(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    """One pattern for all forms of all secrets; None without any."""
    forms = _forms(secrets)
    return re.compile("|".join(re.escape(form) for form in forms)) if forms else None


def _forms(secrets: Iterable[str]) -> list[str]:
    """Each secret as it is, and as JSON, a URL or a header would write it; longest first."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) < MIN_SECRET_LENGTH:
            continue
        encoded = base64.b64encode(secret.encode("utf-8", "surrogateescape")).decode("ascii")
        forms |= {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], encoded}
        forms.add(quote(secret, safe="", errors="surrogateescape"))
    return sorted(forms, key=lambda form: (-len(form), form))
