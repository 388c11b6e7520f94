"""The one door to DuckDB: connections as the history needs them, and what their failures mean."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import duckdb

from flows.errors import UserError

STORAGE_VERSION = "v1.2.0"
"""The oldest DuckDB that opens our files; a newer format would shut out clients people have."""

DatabaseError = duckdb.Error
"""What every failure of DuckDB is."""

Interrupted = duckdb.InterruptException

NoSuchTable = duckdb.CatalogException

Connection = duckdb.DuckDBPyConnection


class StoreError(UserError):
    """The history cannot be read or brought up to date; the message says what to do."""


class HistoryTooNewError(StoreError):
    """A newer assay, or a newer DuckDB, wrote the database."""


class QueryError(StoreError):
    """A query that DuckDB refuses, in its words, or that would write."""


class UnwritableError(StoreError):
    """The home folder cannot be written; what was published before can still be read."""


class UnusableError(StoreError):
    """The database is damaged or of another version; the journals can make a new one."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}: type assay db rebuild; if that does not help, check the disk")
        self.found = found


@contextmanager
def open_database(path: Path) -> Iterator[Connection]:
    """A writing connection to a database of ours, created if missing."""
    try:
        with (
            duckdb.connect(
                str(path), config={"storage_compatibility_version": STORAGE_VERSION}
            ) as connection,
            interruptible(connection),
        ):
            yield connection
    except duckdb.Error as problem:
        raise failure_of_writing(path, problem) from problem


@contextmanager
def interruptible(connection: Connection) -> Iterator[None]:
    """Let Ctrl-C end at once what DuckDB computes inside the ``with`` block.

    Python's own handlers run only when DuckDB gives the main thread back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # which signals never reach
        return
    hearing, telling = socket.socketpair()
    telling.setblocking(False)
    before = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    listener = Thread(target=_interrupt, args=(hearing, connection, before), daemon=True)
    listener.start()
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as problem:
        if isinstance(problem, RuntimeError) and str(problem) != "Query interrupted":
            raise
        raise KeyboardInterrupt from None  # seen by us, or first by DuckDB
    finally:
        signal.set_wakeup_fd(before)
        telling.close()
        listener.join()
        hearing.close()


def _interrupt(hearing: socket.socket, connection: Connection, before: int) -> None:
    """Interrupt what is computed for each signal that would end a command, until there are none."""
    while numbers := hearing.recv(64):
        if {signal.SIGINT, signal.SIGTERM} & set(numbers):
            connection.interrupt()
        if before != -1:
            os.write(before, numbers)


def private_instance() -> Connection:
    """A connection to an empty private instance, to which databases are attached."""
    # Extensions are never fetched from the network behind a person's back, and the name of a
    # table never means a variable of ours.
    connection = duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": False, "python_enable_replacements": False},
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def is_select(statement: duckdb.Statement) -> bool:
    """Whether a statement is one query, by DuckDB's own parser."""
    try:
        return statement.type == duckdb.StatementType.SELECT
    except ValueError:  # a kind that DuckDB's client for Python has no name for
        return False


def text_of(statement: duckdb.Statement) -> str:
    """A statement without its semicolon, so that it can stand in parentheses."""
    text = statement.query.encode()
    places = [place for place, _ in duckdb.tokenize(statement.query)]
    ends = [place for place in places if text[place : place + 1] == b";"]
    return text[: ends[0] if ends else None].decode()


def damage_in(path: Path) -> StoreError | None:
    """Read every row of a database; returns what keeps it from being read, None for nothing."""
    if not path.exists():
        return None
    try:
        with private_instance() as connection:
            connection.execute(f"ATTACH {quoted(path)} AS looked_at (READ_ONLY)")
            tables = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() "
                "WHERE database_name = 'looked_at'"
            )
            for schema, table in tables.fetchall():
                connection.execute(f"SELECT bit_xor(hash(t)) FROM looked_at.{schema}.{table} t")
    except duckdb.Error as problem:
        return failure_of_writing(path, problem)
    return None


def failure_of_reading(path: Path, problem: duckdb.Error) -> StoreError:
    """Tell damage of the history from failures of the query, also with files of the person's."""
    # A wrong checksum raises the base class itself.
    kinds = (
        duckdb.FatalException,
        duckdb.InternalException,
        duckdb.IOException,
        duckdb.SerializationException,
    )
    if type(problem) is duckdb.Error or isinstance(problem, kinds):
        found = damage_in(path)
        if found is not None:
            return found
    text = str(problem)
    if "disabled by configuration" in text:
        text += "\na query reads files only in a folder named with --files DIR, and writes none"
    elif "configuration has been locked" in text:
        text += "\nno setting can be changed"
    elif "read-only" in text:
        text += "\nthe history is read-only: to keep an answer, use --out FILE or assay export"
    return QueryError(text)


def failure_of_writing(path: Path, problem: duckdb.Error) -> StoreError:
    """A failure to open, read or write a database of ours: a lock, a newer file, a full disk."""
    text = str(problem)
    first = next(iter(text.splitlines()), type(problem).__name__)
    if "lock on file" in text:
        return StoreError(
            f"{path} is open in another program: close it; to look at the history open "
            f"{path.parent / 'history.duckdb'} read-only ({first})"
        )
    if "version number" in text or "newer version" in text:
        return HistoryTooNewError(
            f"{path} was written by a newer DuckDB: upgrade assay, or move the file away so that "
            f"it is rebuilt from the journals ({first})"
        )
    full = ("Could not write", "No space left", "Disk quota", "Permission denied", "Read-only")
    if any(words in text for words in full):
        return UnwritableError(f"{path} cannot be written: {first}; make room, or make it writable")
    return UnusableError(f"{path.name} is damaged: {first}")


def quoted(path: Path | str) -> str:
    """A path as a text of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
