"""`python -m dragoman`."""

from dragoman.cli import cli

cli()
