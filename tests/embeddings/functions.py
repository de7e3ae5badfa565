"""Functions that embed, for the `python` backend."""

import asyncio
import time
from array import array

from tests.embeddings.vectors import numbers


def plain(texts):
    return [numbers(text) for text in texts]


async def awaited(texts, request, call):
    await asyncio.sleep(0)
    assert request.dimensions is None
    assert call.surface == "embeddings"
    return plain(texts)


class Matrix:
    """As numpy's arrays are."""

    def __init__(self, rows):
        self.rows = rows

    def tolist(self):
        return self.rows


def library(texts):
    return Matrix(plain(texts))


def packed(texts):
    return [array("f", numbers(text)) for text in texts]


def yielded(texts):
    yield plain(texts)


def too_few(texts):
    return []


def nothing(texts):
    return None


def strange(texts):
    return [{"embedding": [1.0]} for _ in texts]


def broken(texts):
    raise RuntimeError("the model is on fire")


def unreachable(texts):
    raise ConnectionError("nobody there")


def slow(texts):
    time.sleep(1)
    return plain(texts)


def greedy(texts, more):
    return plain(texts)
