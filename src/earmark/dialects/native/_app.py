"""The application that is mounted at `PREFIX`."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from earmark.dialects._http import RateLimitHeaders
from earmark.dialects.native import (
    _archive,
    _audit,
    _calls,
    _calls_media,
    _consents,
    _enrolments,
    _events,
    _galleries,
    _identifications,
    _jobs,
    _limits,
    _live,
    _mergers,
    _results,
    _samples,
    _search,
    _speakers,
    _submit,
    _tenant,
    _tickets,
    _uploads,
    _webhooks,
)
from earmark.dialects.native._live_messages import message_schemas
from earmark.dialects.native._names import PREFIX
from earmark.dialects.native._problems import Problem, install_handlers, problems
from earmark.service import Service

__all__ = ["mounts"]

_DESCRIPTION = """\
Who spoke when, where speech is, and who it is, in recordings and while people are still talking.

Send a recording to `POST /diarizations` (or its address, or upload it in parts first), follow
the job at `GET /jobs/{id}/events`, fetch `GET /jobs/{id}/result`. Every refusal is an
`application/problem+json` document whose `code` is stable. With an `Idempotency-Key`, a `POST`
that is sent again counts once. Sound that is spoken now goes to the WebSocket at `/live`."""


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Your own name for this request: sent again with it, it counts once.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}


_ROUTES = (
    _limits,
    _uploads,
    _submit,
    _identifications,
    _jobs,
    _events,
    _results,
    _galleries,
    _speakers,
    _enrolments,
    _samples,
    _consents,
    _mergers,
    _archive,
    _search,
    _calls,
    _calls_media,
    _live,
    _tickets,
    _webhooks,
    _audit,
    _tenant,
)


def mounts(service: Service) -> dict[str, FastAPI]:
    """Path prefix -> application."""
    from earmark import __version__

    app = FastAPI(
        title="Earmark",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # the server has one page for all dialects
        redoc_url=None,
        redirect_slashes=False,  # an address is right or wrong
        servers=[{"url": service.settings.root_path + PREFIX}],
        root_path_in_servers=False,
        generate_unique_id_function=_name_of,
        responses=problems(401, 403, 422, 429, 500, 503),
    )
    app.state.service = service
    app.add_middleware(RateLimitHeaders)
    install_handlers(app)
    for module in _ROUTES:
        app.include_router(module.router)
    _complete_openapi(app)
    return {PREFIX: app}


def _name_of(route: APIRoute) -> str:
    return route.name


def _complete_openapi(app: FastAPI) -> None:
    """Add to the OpenAPI document what no route declares: problem documents, idempotency keys."""
    plain = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = plain()
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(schema.pop("$defs", {}))
            schemas["Problem"] = schema
            schemas.update(message_schemas("#/components/schemas/{model}"))
            for path in document["paths"].values():
                if "post" in path:
                    path["post"].setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it
