"""Responses with large JSON."""

from starlette.responses import Response

from mock_atoms.contract.schemas import render_json_steps
from mock_atoms.core.slices import Slices


async def large_json(slices: Slices, content: object) -> Response:
    """Return `content` as a JSON response. It is rendered in slices."""
    return Response(await slices.run_promptly(render_json_steps(content)), media_type="application/json")
