"""The codec of every message: between a simulator and a policy, and between the host and a cell."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def encode(value: Any) -> bytes:
    """Return the MessagePack bytes of a message, or of any dataclass made of plain values."""
    return msgspec.msgpack.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the message of type ``kind`` in ``data``; raise :class:`MessageError` otherwise."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MessageError(f"not a valid {getattr(kind, '__name__', kind)}: {error}") from None


class MessageError(ValueError):
    """Bytes that are not a message of the expected type."""
