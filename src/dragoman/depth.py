"""How deep JSON may be nested, so that nothing that walks it runs out of stack."""

from typing import Any


def deeper(value: Any, limit: int) -> bool:
    """Whether arrays and objects are nested more than `limit` levels deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [outer for outer in level if isinstance(outer, dict | list)]
        if not level:
            return False
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return True


def may_be_deeper(data: bytes, limit: int) -> bool:
    """Whether JSON text has brackets enough to be nested so deep; quick, and never wrong when it says no."""
    return data.count(b"[") + data.count(b"{") > limit
