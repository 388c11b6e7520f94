"""A Docker engine that can be taken away: a socket of its own in front of the real one."""

import os
import selectors
import socket
import threading
from pathlib import Path
from types import TracebackType

REAL_ENGINE = "/var/run/docker.sock"
CHUNK_BYTES = 65_536


class EngineProxy:
    """Passes everything on to the real engine until it is asked to be ``away``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "engine.sock"
        self._live: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.path))
        self._door.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        """What DOCKER_HOST must be."""
        return f"unix://{self.path}"

    def go_away(self) -> None:
        """Refuse new connections and cut all that are open, as a killed engine does."""
        self.path.unlink(missing_ok=True)
        with self._lock:
            self._shut(self._door)
            for each in self._live:
                self._shut(each)

    def __enter__(self) -> "EngineProxy":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.go_away()
        self._door.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(engine_path())
            with self._lock:
                self._live |= {client, engine}
            threading.Thread(target=self._pass_on, args=(client, engine), daemon=True).start()

    def _pass_on(self, client: socket.socket, engine: socket.socket) -> None:
        other = {client: engine, engine: client}
        with selectors.DefaultSelector() as ready, client, engine:
            for end in other:
                ready.register(end, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select():
                    end = client if key.fileobj is client else engine
                    if not _move(end, other[end]):
                        ready.unregister(end)
            with self._lock:
                self._live -= set(other)

    def _shut(self, end: socket.socket) -> None:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def engine_path() -> str:
    """Return the path of the real engine's socket."""
    return os.environ.get("DOCKER_HOST", f"unix://{REAL_ENGINE}").removeprefix("unix://")


def _move(source: socket.socket, target: socket.socket) -> bool:
    """Pass on what has come; at the end of it, pass on the end and return False."""
    try:
        data = source.recv(CHUNK_BYTES)
        target.sendall(data)
        if not data:
            target.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return bool(data)
