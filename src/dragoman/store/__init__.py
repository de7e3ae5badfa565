"""The database of keys, usage and what outlives a call: SQLite, or PostgreSQL."""

from dragoman.store.kept import Store
from dragoman.store.lasting import Lasting
from dragoman.store.opening import opened, usable
from dragoman.store.rows import Digest, Row, StoredKey, Taken

__all__ = ["Digest", "Lasting", "Row", "Store", "StoredKey", "Taken", "opened", "usable"]
