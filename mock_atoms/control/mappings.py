"""Stubs, as WireMock's clients create them."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal, cast

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup, RequestBody
from mock_atoms.control.errors import RequestError, parse_uuid, unprocessable, unprocessable_list
from mock_atoms.control.long_work import long_json
from mock_atoms.control.mapping_models import StubBody, StubImport, StubList
from mock_atoms.control.models import Empty
from mock_atoms.control.parsing import Query, read_json_body, up_to
from mock_atoms.core.errors import CapacityError
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.slices import Steps, free
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.metadata import MetadataPattern, parse_metadata_pattern
from mock_atoms.wiremock.stub_book import MAX_STUBS
from mock_atoms.wiremock.stubs import Stub, StubIds, lacking_features, load_json_path, parse_stub

STUB_EXAMPLE: dict[str, Any] = {
    "request": {"method": "GET", "urlPath": "/atoms/v1/agent"},
    "response": {"status": 200, "jsonBody": {"status": True, "data": []}},
}
METADATA_EXAMPLE = {"matchesJsonPath": {"expression": "$.suite", "equalTo": "nightly"}}
_FULL = {409: "there are too many stubs"}
_INVALID_ID = {400: "the id is not a UUID"}
_UNKNOWN = _INVALID_ID | {404: "no stub has this id"}


class StubListQuery(Query):
    """Parameters of the list of stubs."""

    limit: Annotated[int, up_to(MAX_STUBS), Field(description="How many stubs to return.")] = MAX_STUBS
    offset: Annotated[int, up_to(MAX_STUBS), Field(description="How many to leave out before them.")] = 0


class _ImportOptions(StrictModel):
    duplicatePolicy: Literal["OVERWRITE", "IGNORE"] | None = None  # noqa: N815 - JSON's own spelling
    deleteAllNotInImport: bool | None = None  # noqa: N815 - the same


class _Import(StrictModel):
    mappings: list[Any]
    importOptions: _ImportOptions | None = None  # noqa: N815 - the same
    meta: Any = None


class MappingEndpoints:
    """Endpoints about stubs."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        stub = RequestBody(StubBody, STUB_EXAMPLE)
        stubs = RequestBody(StubImport, {"mappings": [STUB_EXAMPLE]})
        metadata = RequestBody(dict[str, Any], METADATA_EXAMPLE)
        path = "/mappings/{id}"
        return EndpointGroup(
            "Stubs",
            "Responses for any other route, as WireMock has them. docs/stubs.md describes their JSON.",
            (
                Endpoint("GET", "/mappings", self.list_stubs, "List the stubs", StubList, query=StubListQuery),
                Endpoint("POST", "/mappings", self.create, "Create a stub", StubBody, 201, body=stub, errors=_FULL),
                Endpoint("DELETE", "/mappings", self.delete_all, "Delete all stubs", Empty),
                Endpoint("POST", "/mappings/reset", self.reset, "Restore the stubs of files", Empty),
                Endpoint("POST", "/mappings/save", self.save, "Keep all stubs at a reset", Empty),
                Endpoint(
                    "POST", "/mappings/import", self.import_stubs, "Import stubs", Empty, body=stubs, errors=_FULL
                ),
                Endpoint(
                    "POST",
                    "/mappings/find-by-metadata",
                    self.find_by_metadata,
                    "Find stubs by their metadata",
                    StubList,
                    body=metadata,
                ),
                Endpoint(
                    "POST",
                    "/mappings/remove-by-metadata",
                    self.remove_by_metadata,
                    "Remove stubs by their metadata",
                    Empty,
                    body=metadata,
                ),
                Endpoint("GET", path, self.get, "Get a stub", StubBody, errors=_UNKNOWN),
                Endpoint("PUT", path, self.update, "Replace a stub", StubBody, body=stub, errors=_UNKNOWN | _FULL),
                Endpoint("DELETE", path, self.delete, "Delete a stub", Empty, errors=_UNKNOWN),
            ),
        )

    async def list_stubs(self, request: Request) -> Response:
        """Return the stubs in order of precedence: by priority, then those that were added last."""
        query = StubListQuery.parse(request)
        stubs = self._mock.stubs.in_order()
        return self._respond_list(stubs[query.offset : query.offset + query.limit], len(stubs))

    async def create(self, request: Request) -> Response:
        """Create a stub. It takes precedence over all others of the same priority. A known id replaces that stub."""
        stub = await self._parse(await read_json_body(request))
        await self._mock.store.put_stubs([stub])
        return JSONResponse(stub.as_json(), HTTPStatus.CREATED)

    async def delete_all(self, _request: Request) -> Response:
        """Delete all stubs, also those of files and persistent ones."""
        await self._mock.store.remove_stubs()
        return JSONResponse({})

    async def reset(self, _request: Request) -> Response:
        """Restore the stubs of files, reset all scenarios and empty the request journal.

        Created stubs are deleted, except those that are `persistent`.
        """
        await self._mock.clear_journal()
        await self._mock.store.reset_stubs()
        return JSONResponse({})

    async def save(self, _request: Request) -> Response:
        """Make all stubs persistent, so that a reset keeps them. Nothing is written to disk."""
        await self._mock.store.save_stubs()
        return JSONResponse({})

    async def get(self, request: Request) -> Response:
        """Return one stub, credentials masked."""
        return JSONResponse(self._find(request).as_json())

    async def update(self, request: Request) -> Response:
        """Replace a stub in its place."""
        stub_id = self._find(request).id
        body = await read_json_body(request)
        if isinstance(body, Mapping):
            for key in ("id", "uuid"):
                if body.get(key) not in (None, stub_id):
                    raise unprocessable(ConfigError("differs from the id in the path: leave it out", f"/{key}"))
            body = {**body, "id": stub_id}
        stub = await self._parse(body)
        await self._mock.store.put_stubs([stub])
        return JSONResponse(stub.as_json())

    async def delete(self, request: Request) -> Response:
        """Delete a stub."""
        await self._mock.store.remove_stubs([self._find(request).id])
        return JSONResponse({})

    async def import_stubs(self, request: Request) -> Response:
        """Create and replace stubs, all or none. The first of the list takes precedence.

        The error lists everything that is wrong with any of them.
        """
        content = parse_model(_Import, await read_json_body(request))
        if len(content.mappings) > MAX_STUBS:
            raise ConfigError(f"{len(content.mappings)} stubs: at most {MAX_STUBS}", "/mappings")
        options = content.importOptions or _ImportOptions()
        await load_json_path(self._mock.slices, content.mappings)
        stubs = await self._mock.slices.run_promptly(self._parse_all(content.mappings))
        problem = None
        try:
            await self._mock.store.put_stubs(
                stubs[::-1],
                keeps_existing=options.duplicatePolicy == "IGNORE",
                removes_others=bool(options.deleteAllNotInImport),
            )
        except CapacityError as error:
            problem = CapacityError(*error.args)  # the traceback of `error` would free all stubs in one step
        await self._mock.slices.run_promptly(free(cast("list[Any]", stubs)))
        if problem is not None:
            raise problem
        return JSONResponse({})

    async def find_by_metadata(self, request: Request) -> Response:
        """Return the stubs whose metadata match one of WireMock's operators, such as `matchesJsonPath`."""
        found = await self._matching(await read_metadata_pattern(self._mock, request))
        return self._respond_list(found, len(found))

    async def remove_by_metadata(self, request: Request) -> Response:
        """Remove the stubs whose metadata match one of WireMock's operators, such as `matchesJsonPath`."""
        found = await self._matching(await read_metadata_pattern(self._mock, request))
        await self._mock.store.remove_stubs([stub.id for stub in found])
        await self._mock.slices.run_promptly(free(cast("list[Any]", found)))
        return JSONResponse({})

    async def _matching(self, pattern: MetadataPattern) -> list[Stub]:
        return await self._mock.slices.run_promptly(pattern.select(self._mock.stubs.in_order()))

    def _respond_list(self, stubs: list[Stub], total: int) -> Response:
        content = {"mappings": (stub.as_json() for stub in stubs), "meta": {"total": total}}
        return long_json(self._mock, content, kept=stubs)

    def _find(self, request: Request) -> Stub:
        stub_id = parse_uuid(request.path_params["id"])
        stub = self._mock.stubs.get(stub_id)
        if stub is None:
            raise RequestError(HTTPStatus.NOT_FOUND, "unknown stub", f"there is no stub {stub_id}")
        return stub

    async def _parse(self, value: object) -> Stub:
        features = lacking_features(value)
        if features:
            raise unprocessable_list(features)
        await load_json_path(self._mock.slices, [value])
        return await self._mock.slices.run_promptly(self._parse_steps(value, StubIds(self._is_known)))

    def _parse_all(self, values: list[Any]) -> Steps[list[Stub]]:
        stubs: list[Stub] = []
        problems: list[ConfigError] = []
        taken: set[str] = set()
        ids = StubIds(lambda stub_id: stub_id in taken or self._is_known(stub_id))
        for number, value in enumerate(values):
            errors = lacking_features(value)
            try:
                if not errors:
                    stub = yield from self._parse_steps(value, ids)
                    taken.add(stub.id)
                    stubs.append(stub)
            except ConfigError as error:
                errors = [error]
            pointer = f"/mappings/{number}"
            problems += [ConfigError(error.problem, pointer + error.pointer.rstrip("/")) for error in errors]
            yield
        if problems:
            yield from free(cast("list[Any]", stubs))
            raise unprocessable_list(problems)
        return stubs

    def _parse_steps(self, value: object, ids: StubIds) -> Steps[Stub]:
        stub = yield from parse_stub(value, self._mock.journal.credentials, self._mock.body_files.read)
        yield from ids.give(stub)
        return stub

    def _is_known(self, stub_id: str) -> bool:
        return self._mock.stubs.get(stub_id) is not None


async def read_metadata_pattern(mock: MockAtoms, request: Request) -> MetadataPattern:
    """Return the pattern in the body of a request.

    Raises:
        ConfigError: the body is no operator.
    """
    body = await read_json_body(request)
    await load_json_path(mock.slices, [{"request": body}])
    return await asyncio.to_thread(parse_metadata_pattern, body, mock.journal.credentials)
