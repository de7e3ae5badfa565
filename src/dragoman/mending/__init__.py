"""JSON as models write it, turned into JSON while it comes."""

from dragoman.mending.mender import Mender

__all__ = ["Mender"]
