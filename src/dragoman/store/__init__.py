"""The database of keys and usage: SQLite, or PostgreSQL."""

from dragoman.store.kept import Store
from dragoman.store.opening import opened, usable
from dragoman.store.rows import Digest, Row, StoredKey, Taken

__all__ = ["Digest", "Row", "Store", "StoredKey", "Taken", "opened", "usable"]
