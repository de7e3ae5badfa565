"""Whose signed tokens are keys."""

from pydantic import BaseModel


class JWT(BaseModel):
    issuer: str
