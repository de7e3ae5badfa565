"""Any chat API over HTTP, described by a request template and paths into its answer."""

from typing import Literal

from dragoman.mapping.exchange import Mapped


class HTTP(Mapped):
    """`kind: http`."""

    kind: Literal["http"]
