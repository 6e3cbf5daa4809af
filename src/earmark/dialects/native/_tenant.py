"""A tenant's own settings and keys, for its admins."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from earmark.dialects._http import iso
from earmark.dialects.native._access import AdminCaller, AdmittingRoute, Id, TheService
from earmark.dialects.native._documents import Document, maybe_iso
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import Name, example
from earmark.errors import NotFound
from earmark.service import UNCHANGED, Caller, Key, NewKey, Scope, Service, Tenant

__all__ = ["router"]

router = APIRouter(tags=["tenant and keys"], route_class=AdmittingRoute)

ScopeName = Literal["jobs", "galleries", "live", "admin"]


class TenantDocument(Document):
    """Whom this key belongs to."""

    schema_: Literal["earmark.tenant/1"] = Field(default="earmark.tenant/1", alias="schema")
    id: str
    name: str
    retention_s: float | None = Field(
        description="Seconds that jobs are kept once over, with result and recording; null: until"
        " they are deleted."
    )
    webhook_secret: str = Field(description="Signs the webhooks of the pyannoteAI dialect.")
    created_at: str


class TenantChange(BaseModel):
    """What is to be changed; what is left out stays as it is."""

    model_config = example({"retention_s": 2_592_000})

    retention_s: Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)] | None = None
    webhook_secret: Annotated[
        str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")
    ] = ""


class KeyRequest(BaseModel):
    """A key that is to be made."""

    model_config = example({"name": "night run", "scopes": ["jobs"]})

    name: Annotated[Name, Field(max_length=200)] = Field(description="What it is for.")
    scopes: list[ScopeName] = Field(min_length=1, max_length=16)


class KeyDocument(Document):
    """What is known of a key."""

    schema_: Literal["earmark.key/1"] = Field(default="earmark.key/1", alias="schema")
    id: str
    name: str
    scopes: list[ScopeName]
    created_at: str
    revoked_at: str | None
    token: str | None = Field(
        default=None,
        description="What clients send; told once, by the first answer to the request that makes"
        " the key, and null from then on.",
    )


class KeysDocument(Document):
    """The tenant's keys, newest first."""

    schema_: Literal["earmark.keys/1"] = Field(default="earmark.keys/1", alias="schema")
    items: list[KeyDocument]


def _tenant(tenant: Tenant) -> TenantDocument:
    return TenantDocument(
        id=tenant.id,
        name=tenant.name,
        retention_s=tenant.retention_s,
        webhook_secret=tenant.webhook_secret,
        created_at=iso(tenant.created_at),
    )


def _key(key: Key) -> KeyDocument:
    return KeyDocument(
        id=key.id,
        name=key.name,
        scopes=sorted(scope.value for scope in key.scopes),
        created_at=iso(key.created_at),
        revoked_at=maybe_iso(key.revoked_at),
        token=key.token if isinstance(key, NewKey) else None,
    )


@router.get("/tenant", summary="See the tenant's settings")
def get_tenant(caller: AdminCaller, service: TheService) -> TenantDocument:
    """How long things are kept, and the secret of webhooks."""
    return _tenant(service.tenants.get(caller.tenant_id))


@router.patch("/tenant", responses=problems(413), summary="Change the tenant's settings")
def change_tenant(asked: TenantChange, caller: AdminCaller, service: TheService) -> TenantDocument:
    """What is left out stays as it is; `retention_s: null` keeps everything until deleted."""
    given = asked.model_fields_set
    return _tenant(
        service.tenants.update(
            caller.tenant_id,
            retention_s=asked.retention_s if "retention_s" in given else UNCHANGED,
            webhook_secret=asked.webhook_secret if "webhook_secret" in given else UNCHANGED,
        )
    )


@router.get("/keys", summary="List the keys")
def list_keys(caller: AdminCaller, service: TheService) -> KeysDocument:
    """All keys of the tenant, without their tokens, which are kept nowhere."""
    return KeysDocument(items=[_key(key) for key in _keys(service, caller)])


@router.post("/keys", status_code=201, responses=problems(409, 413), summary="Make a key")
def create_key(
    asked: KeyRequest,
    request: Request,
    response: Response,
    caller: AdminCaller,
    service: TheService,
) -> KeyDocument:
    """The answer holds the token, this once; sent again, the request is answered without it."""
    tenant = service.tenants.get(caller.tenant_id).name
    return _key(
        service.keys.create(
            tenant,
            [Scope(each) for each in asked.scopes],
            asked.name,
            idempotency=promise_of(request, response, asked),
        )
    )


@router.delete("/keys/{key_id}", status_code=204, responses=problems(404), summary="Revoke a key")
def revoke_key(key_id: Id, caller: AdminCaller, service: TheService) -> None:
    """The key is void at once, for good."""
    service.keys.revoke(_own_key(service, caller, key_id).id)


def _keys(service: Service, caller: Caller) -> tuple[Key, ...]:
    return service.keys.list(service.tenants.get(caller.tenant_id).name)


def _own_key(service: Service, caller: Caller, key_id: str) -> Key:
    """One of the tenant's keys; any other is as unknown as one that is not there."""
    for key in _keys(service, caller):
        if key.id == key_id:
            return key
    raise NotFound(f"There is no key {key_id!r}.")
