"""Whose signed tokens are keys, and what claims say."""

from pathlib import Path as File
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dragoman.paths import Path
from dragoman.reach import HTTPURL
from dragoman.units import Seconds

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that only the issuer can make. Shared secrets, and none at all, are not among them."""

DISCOVERY = "/.well-known/openid-configuration"


def _several(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class KeyFile(BaseModel):
    """A file with the issuer's public keys, a JSON Web Key Set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: File


class Claims(BaseModel):
    """Where in a token's claims it stands what the caller may: JMESPaths. What a token lacks is not limited by it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    models: Path | None = None
    """The models, as a list or in one text; a token without them is refused."""
    rpm: Path | None = None
    tpm: Path | None = None
    concurrent: Path | None = None
    budget: Path | None = None
    admin: Path | None = None


class Issuer(BaseModel):
    """Whose signed tokens (JWT) are keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    issuer: HTTPURL
    """What tokens say in `iss`."""
    audience: Annotated[
        list[str], Field(min_length=1), BeforeValidator(_several, json_schema_input_type=list[str] | str)
    ]
    """What they say in `aud`: one of these."""
    jwks: HTTPURL | KeyFile | None = None
    """Where the issuer's public keys are: a URL, or `{file: PATH}`; without it, the issuer is asked."""
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = ["RS256", "ES256", "EdDSA"]
    """How tokens may be signed."""
    key: Path = "sub"
    """The claim by which callers are told apart; usage and limits go by it."""
    grant: Claims = Claims()
    """The claims that say what a caller may."""
    refresh: Seconds = 600.0
    """How old the public keys may be before they are fetched anew."""
    leeway: Seconds = 30.0
    """How much the clocks may differ."""
