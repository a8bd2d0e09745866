"""The mock that a team writes in an hour: some routes, and a list of requests as its journal."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request

CONTENT = json.loads(Path(os.environ["FLOOR_BODY"]).read_bytes())
PAGE = {"status": True, "data": {"members": [{"data": {"phoneNumber": f"+1{row}"}} for row in range(10)]}}

app = FastAPI()
journal: list[dict[str, str]] = []
failures: dict[str, int] = {}


def record(request: Request) -> str:
    """Record a request and return its token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise HTTPException(401)
    url = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    journal.append({"token": token, "method": request.method, "url": url})
    return token


Token = Annotated[str, Depends(record)]


@app.get("/atoms/v1/audience")
async def get_list(token: Token) -> Any:  # noqa: ANN401 - any JSON
    """Send the list, or fail."""
    if failures.get(token):
        failures[token] -= 1
        raise HTTPException(500)
    return CONTENT


@app.post("/atoms/v1/audience")
async def create(request: Request, _token: Token) -> Any:  # noqa: ANN401 - as above
    """Read an upload, and ignore its rows."""
    await request.body()
    return {"status": True, "data": {"_id": "60d0fe4f5311236168a109ca"}}


@app.get("/atoms/v1/audience/{audience}/members")
async def get_members(audience: str, _token: Token) -> Any:  # noqa: ANN401 - as above
    """Send the same members for each page."""
    assert audience
    return PAGE


@app.delete("/atoms/v1/audience/{audience}")
async def delete(audience: str, _token: Token) -> Any:  # noqa: ANN401 - as above
    """Delete nothing."""
    assert audience
    return {"status": True}


@app.get("/__admin/requests")
async def get_requests(token: str) -> Any:  # noqa: ANN401 - as above
    """Return the requests with a token, oldest first."""
    return [request for request in journal if request["token"] == token]


@app.delete("/__admin/requests")
async def empty() -> Any:  # noqa: ANN401 - as above
    """Empty the journal."""
    journal.clear()
    return {}


@app.post("/__admin/fail")
async def fail(request: Request) -> Any:  # noqa: ANN401 - as above
    """Let the next lists of a token fail."""
    order = await request.json()
    failures[order["token"]] = order["times"]
    return {}


@app.post("/__admin/reset")
async def reset(request: Request) -> Any:  # noqa: ANN401 - as above
    """Remove requests and failures of a token."""
    token = (await request.json())["token"]
    journal[:] = [request for request in journal if request["token"] != token]
    failures.pop(token, None)
    return {}
