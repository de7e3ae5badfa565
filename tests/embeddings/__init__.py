"""Texts in, numbers out: the surface, and every kind of backend behind it."""
