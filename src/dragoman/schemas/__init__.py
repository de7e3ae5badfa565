"""JSON schemas that callers send: what is wrong with a value, and what it was meant to be."""

from dragoman.schemas.schema import Schema, compiled

__all__ = ["Schema", "compiled"]
