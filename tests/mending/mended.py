"""Gives a mender text in pieces, and checks all the while that what it says is JSON begun."""

import copy
import json
from itertools import pairwise
from typing import NamedTuple

from dragoman.mending import Mender


class Mended(NamedTuple):
    text: str
    done: bool
    cut: bool
    cut_in_text: bool
    rest: str

    @property
    def value(self):
        return json.loads(self.text)


def mended(text, cuts=(), checked=False):
    """What a mender makes of the text, cut at these places; if checked, all it says is JSON begun."""
    mender, said = Mender(), ""
    for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]):
        said += mender.feed(text[start:end])
        if checked and (whole := said + copy.deepcopy(mender).end()):
            json.loads(whole)
    said += mender.end()
    return Mended(said, mender.done, mender.cut, mender.cut_in_text, mender.rest)


def one_by_one(text):
    """What a mender makes of it, a character at a time."""
    return mended(text, range(1, len(text)), checked=True)
