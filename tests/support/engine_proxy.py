"""A socket before a Docker engine: what goes through may be lost or held, or all of it ends."""

import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import TracebackType

CHUNK_BYTES = 1 << 16


class Fate(Enum):
    """What becomes of a request."""

    CUT = auto()
    """The connection ends before the engine hears of it."""
    LOSE_ANSWER = auto()
    """The engine does as it is asked; the connection ends before its answer."""
    HOLD = auto()
    """It goes on only when the proxy is told to ``let_go``."""
    SLOW = auto()
    """It goes on after a while."""
    LOSE_STREAM = auto()
    """It goes on, but of what follows the answer nothing comes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fate for requests whose first line has ``text``, ``times`` times."""

    text: str
    fate: Fate
    times: int = 1
    seconds: float = 0.0


class EngineProxy:
    """Passes everything on to the engine at ``engine`` but what its rules are about, if any."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.path = folder / "engine.sock"
        self.met = threading.Event()
        self.asked: list[str] = []
        """The first line of every request."""
        self._engine = engine.removeprefix("unix://")
        self._left: dict[Rule, int] = {}
        self._go = threading.Event()
        self._gone = False
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.path))
        self._door.listen(64)
        self._threads = [threading.Thread(target=self._serve)]
        self._live: list[socket.socket] = []
        self._threads[0].start()

    @property
    def address(self) -> str:
        """What DOCKER_HOST must be."""
        return f"unix://{self.path}"

    def meddle(self, *rules: Rule) -> None:
        """Follow these rules from now on; ``met`` tells when the first of them was."""
        self.met.clear()
        self._go.clear()
        self._left = {rule: rule.times for rule in rules}

    def let_go(self) -> None:
        """Pass on what was held."""
        self._go.set()

    def go_away(self) -> None:
        """Refuse new connections and cut all that are open, as a killed engine does."""
        self._gone = True
        self.path.unlink(missing_ok=True)
        self._go.set()
        self._cut([self._door, *self._live])

    def _cut(self, sockets: list[socket.socket]) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "EngineProxy":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.go_away()
        for thread in self._threads:
            thread.join()
        self._door.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._engine)
            self._live += [client, engine]
            if self._gone:
                self._cut([client, engine])
            thread = threading.Thread(target=self._pass_on, args=(client, engine))
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket, engine: socket.socket) -> None:
        fate: Fate | None = None
        with client, engine, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(engine, selectors.EVENT_READ)
            while len(ready.get_map()):
                for key, _ in ready.select():
                    source = client if key.fileobj is client else engine
                    data = _read(source)
                    if source is client and data:
                        fate = self._fate_of(data) or fate
                    if fate is Fate.CUT or (fate is Fate.LOSE_ANSWER and source is engine):
                        return
                    if fate is Fate.LOSE_STREAM and source is engine and data[:5] != b"HTTP/":
                        ready.unregister(engine)  # not even its end comes through
                        continue
                    if not _write(engine if source is client else client, data):
                        ready.unregister(source)

    def _fate_of(self, data: bytes) -> Fate | None:
        first = data.split(b"\r\n", 1)[0].decode("latin-1")
        if " HTTP/" in first:
            self.asked.append(first)
        for rule, left in self._left.items():
            if rule.text not in first or not left:
                continue
            self._left[rule] -= 1
            self.met.set()
            if rule.fate in (Fate.HOLD, Fate.SLOW):
                self._go.wait(rule.seconds or None)
            return rule.fate
        return None


def _read(source: socket.socket) -> bytes:
    try:
        return source.recv(CHUNK_BYTES)
    except OSError:
        return b""


def _write(target: socket.socket, data: bytes) -> bool:
    """Pass on what came; at the end of it pass on the end and return False."""
    with contextlib.suppress(OSError):
        if data:
            target.sendall(data)
            return True
        target.shutdown(socket.SHUT_WR)
    return False
