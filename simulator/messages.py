"""The codec of every message: between a simulator and a policy, and between the host and a cell."""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

encode = msgspec.msgpack.Encoder().encode
"""Returns the MessagePack bytes of a message, or of any dataclass made of plain values."""


def decode(data: bytes, kind: type[T]) -> T:
    """Return the message of type ``kind`` in ``data``; raise :class:`MessageError` otherwise."""
    try:
        message: T = _decoder(cast(Hashable, kind)).decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MessageError(f"not a valid {getattr(kind, '__name__', kind)}: {error}") from None
    return message


class MessageError(ValueError):
    """Bytes that are not a message of the expected type."""


@cache
def _decoder(kind: Hashable) -> Any:
    """Return the decoder of a type: to make one takes longer than to decode a small message."""
    return msgspec.msgpack.Decoder(kind)
