"""The caught mails, in one SQLite file that stays bounded: the oldest go when there are too many or too large."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import idna

from devstack.mailcatcher.message import Summary, summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_MAILS = 5_000
MOST_BYTES = 256 * 1024 * 1024
LONGEST_LIST = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows for ever, so that a link never shows another mail
    received_at TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    source BLOB NOT NULL,
    size INTEGER NOT NULL,
    deliveries INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS mails_message_id_idx ON mails (message_id);
CREATE TABLE IF NOT EXISTS recipients (
    mail_id INTEGER NOT NULL REFERENCES mails (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    folded TEXT NOT NULL,
    PRIMARY KEY (mail_id, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recipients_folded_idx ON recipients (folded);
"""
_COLUMNS = "id, received_at, sender, message_id, subject, size, deliveries"
_LAYOUT = 2
"""Grows with changes of the tables; what an older catcher kept is forgotten then."""


@dataclass(frozen=True, slots=True)
class Caught:
    """A mail, and how often it was delivered: the same to the byte, to the same recipients, under one Message-ID."""

    id: int
    received_at: str
    sender: str
    message_id: str
    subject: str
    size: int
    deliveries: int
    recipients: tuple[str, ...]


class Store:
    """The kept mails. All methods may be called from any thread."""

    def __init__(self, file: Path, *, most_mails: int = MOST_MAILS, most_bytes: int = MOST_BYTES) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # links in mails let their readers in
        self._most_mails, self._most_bytes = most_mails, most_bytes
        self._changed = threading.Condition(threading.RLock())
        self._revision = 0
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.create_function("fold", 1, str.casefold, deterministic=True)
        (layout,) = self._connection.execute("PRAGMA user_version").fetchone()
        if layout != _LAYOUT:
            self._connection.executescript("DROP TABLE IF EXISTS recipients; DROP TABLE IF EXISTS mails;")
        self._connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_LAYOUT};")

    def add(self, source: bytes, sender: str, recipients: list[str], received_at: str) -> int:
        """Keep a mail, push out the oldest where there are too many, and give its id; a repetition is only counted."""
        head = summary(source)
        with self._changed, self._transaction():
            mail_id = self._repeated(source, head.message_id, recipients)
            if mail_id is None:
                mail_id = self._insert(source, sender, recipients, received_at, head)
                self._prune()
        self._tell()
        return mail_id

    def _repeated(self, source: bytes, message_id: str, recipients: list[str]) -> int | None:
        if not message_id:
            return None
        same = "SELECT id FROM mails WHERE message_id = ? AND source = ?"
        for (mail_id,) in self._connection.execute(same, (message_id, source)).fetchall():
            if self._recipients(mail_id) == tuple(recipients):
                self._connection.execute("UPDATE mails SET deliveries = deliveries + 1 WHERE id = ?", (mail_id,))
                return int(mail_id)
        return None

    def _insert(self, source: bytes, sender: str, recipients: list[str], received_at: str, head: Summary) -> int:
        mail_id = self._connection.execute(
            "INSERT INTO mails (received_at, sender, message_id, subject, source, size, deliveries)"
            " VALUES (?, ?, ?, ?, ?, ?, 1)",
            (received_at, sender, head.message_id, head.subject, source, len(source)),
        ).lastrowid
        assert mail_id is not None  # noqa: S101 - an INSERT into a table with row ids has one
        self._connection.executemany(
            "INSERT INTO recipients VALUES (?, ?, ?, ?)",
            [(mail_id, i, address, fold(address)) for i, address in enumerate(recipients)],
        )
        return mail_id

    def list(self, *, to: str = "", search: str = "", limit: int = LONGEST_LIST) -> list[Caught]:
        """Give the newest mails first: those to exactly the address `to`, with `search` in a recipient or subject."""
        conditions, parameters = ["TRUE"], []
        if to:
            conditions.append("id IN (SELECT mail_id FROM recipients WHERE folded = ?)")
            parameters.append(fold(to))
        if search:
            conditions.append(
                "(instr(fold(subject), ?) OR id IN (SELECT mail_id FROM recipients WHERE instr(folded, ?)))"
            )
            parameters += [search.casefold()] * 2
        query = f"SELECT {_COLUMNS} FROM mails WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"  # noqa: S608 - of the constants above
        with self._changed:
            rows = self._connection.execute(query, (*parameters, min(limit, LONGEST_LIST))).fetchall()
            return [self._caught(row) for row in rows]

    def get(self, mail_id: int) -> tuple[Caught, bytes] | None:
        """Give a mail and its source, or None."""
        with self._changed:
            row = self._connection.execute(f"SELECT {_COLUMNS}, source FROM mails WHERE id = ?", (mail_id,)).fetchone()  # noqa: S608 - a constant
            return (self._caught(row[:-1]), row[-1]) if row else None

    def clear(self, *, to: str = "") -> int:
        """Remove all mails, or those to one address; give how many."""
        where = "WHERE id IN (SELECT mail_id FROM recipients WHERE folded = ?)" if to else ""
        with self._changed, self._transaction():
            removed = self._connection.execute(f"DELETE FROM mails {where}", (fold(to),) if to else ()).rowcount  # noqa: S608 - a constant
        self._tell()
        return removed

    @property
    def revision(self) -> int:
        """A number that grows with every change while this process lives."""
        return self._revision

    def wait(self, revision: int, timeout_s: float) -> int:
        """Wait until the store has moved on from `revision` or time is up; give the revision that it has then."""
        with self._changed:
            self._changed.wait_for(lambda: self._revision != revision, timeout_s)
            return self._revision

    def close(self) -> None:
        """Let go of the file."""
        with self._changed:
            self._connection.close()

    def _tell(self) -> None:
        with self._changed:
            self._revision += 1
            self._changed.notify_all()

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection)

    def _prune(self) -> None:
        count, size = self._connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM mails").fetchone()
        for mail_id, its_size in self._oldest():
            if (count <= self._most_mails and size <= self._most_bytes) or count == 1:
                break
            self._connection.execute("DELETE FROM mails WHERE id = ?", (mail_id,))
            count, size = count - 1, size - its_size
        self._connection.execute("PRAGMA incremental_vacuum(1000)")

    def _oldest(self) -> Iterator[tuple[int, int]]:
        while row := self._connection.execute("SELECT id, size FROM mails ORDER BY id LIMIT 1").fetchone():
            yield row

    def _caught(self, row: tuple[Any, ...]) -> Caught:
        fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
        return Caught(**fields, recipients=self._recipients(row[0]))

    def _recipients(self, mail_id: int) -> tuple[str, ...]:
        query = "SELECT address FROM recipients WHERE mail_id = ? ORDER BY position"
        return tuple(address for (address,) in self._connection.execute(query, (mail_id,)))


class _Transaction:
    """All of it or nothing; SQLite's own context manager begins none in autocommit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def fold(address: str) -> str:
    """Give the form in which addresses are compared: without case, the domain in Unicode."""
    local, at, domain = address.casefold().rpartition("@")
    with contextlib.suppress(idna.IDNAError):  # what is no name of the DNS, such as 127.0.0.1, is compared as it stands
        domain = idna.decode(domain)
    return f"{local}{at}{domain}"
