"""Texts in, what is wrong with them out."""
