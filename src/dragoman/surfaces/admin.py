"""Keys and usage over HTTP, for whoever has an admin key."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from starlette.requests import ClientDisconnect, Request

from dragoman.call import Key
from dragoman.errors import InvalidRequest, KeysUnavailable, StoreDown, TooLarge, TooSlow
from dragoman.grants import Grant
from dragoman.keyring import LONGEST_NAME, Keyring
from dragoman.reading import request_in
from dragoman.store import Store
from dragoman.units import seconds
from dragoman.wire.error import ErrorEnvelope
from dragoman.wire.keys import KeyList, KeyShown, SecretKeyShown, UsageList, groups, key_shown, past, usage_shown

PREFIX = "/admin/v1"
LARGEST_BODY = 64 * 1024
BODY_SECONDS = 10.0
LONGEST_GRACE = 366 * 86400.0
NOT_STORED = {"cache-control": "no-store"}

Asked = TypeVar("Asked", bound=BaseModel)
Read = TypeVar("Read")


class NewKey(Grant):
    """A key to be made: its name, and what it may."""

    name: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_NAME})]
    """Whose it is; no two keys have the same."""

    @property
    def grant(self) -> Grant:
        """What it may."""
        return Grant.model_construct(**{name: getattr(self, name) for name in Grant.model_fields})


def _grace(given: Any) -> Any:
    return 0.0 if given in (0, "0", "0s") else seconds(given)


class Rotation(BaseModel):
    """A new secret for a key."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    grace: Annotated[
        float,
        Field(le=LONGEST_GRACE),
        BeforeValidator(_grace),
        WithJsonSchema({"type": ["number", "string"], "examples": ["24h"]}),
    ] = 0.0
    """For how long the old secret goes on; without it, it ends at once."""


def admin(keyring: Callable[[], Keyring], store: Callable[[], Store], who: Callable[..., Any]) -> APIRouter:
    """The routes under `/admin/v1`. `who` gives the admin's key; `keyring` and `store` may raise StoreDown."""
    told: dict[int | str, dict[str, Any]] = {
        "4XX": {"model": ErrorEnvelope, "description": "It is not valid, not there, or not allowed"},
        503: {"model": ErrorEnvelope, "description": "The store is down"},
    }
    router = APIRouter(prefix=PREFIX, tags=["admin"], responses=told)
    _add_keys(router, keyring, who)
    _add_changes(router, keyring, who)
    _add_usage(router, store, who)
    return router


def _add_keys(router: APIRouter, keyring: Callable[[], Keyring], who: Callable[..., Any]) -> None:
    @router.post("/keys", summary="Create a key", openapi_extra=_takes(NewKey))
    async def create_key(request: Request, response: Response, by: Annotated[Key, Depends(who)]) -> SecretKeyShown:
        """Makes a key that may no more than the admin's own. Its secret is told this once."""
        asked = await _asked(request, NewKey)
        async with _used():
            key, secret = await keyring().create(asked.name, asked.grant, by)
        response.headers.update(NOT_STORED)
        return {**key_shown(key), "secret": secret}

    @router.get("/keys", summary="List keys")
    async def list_keys(by: Annotated[Key, Depends(who)]) -> KeyList:
        async with _used():
            return {"object": "list", "data": [key_shown(key) for key in await keyring().keys()]}


def _add_changes(router: APIRouter, keyring: Callable[[], Keyring], who: Callable[..., Any]) -> None:
    @router.get("/keys/{id}", summary="Retrieve a key")
    async def retrieve_key(id: str, by: Annotated[Key, Depends(who)]) -> KeyShown:
        async with _used():
            return key_shown(await keyring().found(id))

    @router.delete("/keys/{id}", summary="Revoke a key")
    async def revoke_key(id: str, by: Annotated[Key, Depends(who)]) -> KeyShown:
        """Ends a key for good, within a second or so. It stays in the list."""
        async with _used():
            return key_shown(await keyring().revoke(id, by))

    @router.post("/keys/{id}/rotate", summary="Rotate a key", openapi_extra=_takes(Rotation, required=False))
    async def rotate_key(
        id: str, request: Request, response: Response, by: Annotated[Key, Depends(who)]
    ) -> SecretKeyShown:
        """Gives a key a new secret, which is told this once. The old one goes on for `grace`."""
        asked = await _asked(request, Rotation)
        async with _used():
            key, secret = await keyring().rotate(id, asked.grace, by)
        response.headers.update(NOT_STORED)
        return {**key_shown(key), "secret": secret}


def _add_usage(router: APIRouter, store: Callable[[], Store], who: Callable[..., Any]) -> None:
    @router.get("/usage", summary="Sum up the usage")
    async def sum_up_usage(
        admin: Annotated[Key, Depends(who)], by: str = "key,model", since: str = "7d", until: str | None = None
    ) -> UsageList:
        """What calls came to. `by`: any of key, model, day, backend and surface. `since`, `until`: a date, a time, or
        how long ago (`7d`)."""
        apart = _read("by", groups, by)
        begin, end = _read("since", past, since), None if until is None else _read("until", past, until)
        async with _used():
            return usage_shown(await store().usage(apart, begin, end), apart, begin, end)


def _read(param: str, reading: Callable[[str], Read], text: str) -> Read:
    try:
        return reading(text)
    except ValueError as error:
        raise InvalidRequest(f"Invalid value for '{param}': {error}.", param=param, code="invalid_value") from None


@asynccontextmanager
async def _used() -> AsyncIterator[None]:
    """While the store is used."""
    try:
        yield
    except StoreDown as error:
        failure = KeysUnavailable()
        failure.detail = str(error)
        raise failure from error


async def _asked(request: Request, kind: type[Asked]) -> Asked:
    """What a body asks for; who may ask is known before it is read."""
    body = await _body(request)
    may_be_empty = not any(field.is_required() for field in kind.model_fields.values())
    return kind() if may_be_empty and not body else request_in(body, kind)


async def _body(request: Request) -> bytes:
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                read += piece
                if len(read) > LARGEST_BODY:
                    raise TooLarge(f"The request body is too large. At most {LARGEST_BODY} bytes are accepted.")
    except (TimeoutError, ClientDisconnect):
        raise TooSlow() from None
    return bytes(read)


def _takes(kind: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """The documentation of a body."""
    schema = kind.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema that says itself what it refers to."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(each, definitions) for name, each in schema.items()}
