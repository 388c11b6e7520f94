"""Takes apart what an attached container writes into its standard output and error."""

import struct

_HEADER = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2


class TooMuchOutput(Exception):
    """A container wrote more than it may."""


class OutputParts:
    """Collects both streams, whose frames may be cut anywhere, up to a total of ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._header = bytearray()
        self._open_stream = 0
        self._open_bytes = 0
        self.stdout = bytearray()
        self.stderr = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in the next bytes from the engine."""
        self._left -= len(data)
        if self._left < 0:
            raise TooMuchOutput
        view = memoryview(data)
        while view:
            if self._open_bytes == 0:
                view = self._take_header(view)
            else:
                view = self._take_content(view)

    def _take_header(self, view: memoryview) -> memoryview:
        missing = _HEADER.size - len(self._header)
        self._header += view[:missing]
        if len(self._header) == _HEADER.size:
            self._open_stream, self._open_bytes = _HEADER.unpack(self._header)
            self._header.clear()
        return view[missing:]

    def _take_content(self, view: memoryview) -> memoryview:
        part = view[: self._open_bytes]
        if self._open_stream == _STDOUT:
            self.stdout += part
        elif self._open_stream == _STDERR:
            self.stderr += part
        self._open_bytes -= len(part)
        return view[len(part) :]
