"""The exports of a campaign as JSON and CSV, rendered in steps."""

import csv
import io
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from mock_atoms.contract.schemas import Member
from mock_atoms.core.json_stream import json_pieces, next_chunk, render_json
from mock_atoms.core.slices import Steps
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.data.call_results import Call
from mock_atoms.state.campaign_results import CampaignResults
from mock_atoms.state.campaigns import CampaignRepository

RESULT_COLUMNS = (
    "audienceMemberId",
    "phoneNumber",
    "audienceMemberData",
    "totalAttempts",
    "finalStatus",
    "totalCallDuration",
    "totalCallCost",
)
"""Columns of the results as CSV (A)."""
LOG_COLUMNS = (
    "callId",
    "timestamp",
    "audienceMemberId",
    "phoneNumber",
    "agent",
    "attempt",
    "status",
    "duration",
    "cost",
    "recordingUrl",
    "transcriptUrl",
)
"""Columns of the call logs (A; what they tell: D)."""
_PENDING = "pending"
_RECORDINGS = "https://recordings.example.com"


def export_results(repository: CampaignRepository, campaign_id: str, *, is_csv: bool) -> Steps[bytes]:
    """Return the calls to each member of a campaign.

    Raises:
        ApiError: 404, there is no such campaign (D).
    """
    results = yield from repository.results(campaign_id, HTTPStatus.NOT_FOUND)
    rows = _member_results(results)
    if is_csv:
        return (yield from _render(_csv_lines(RESULT_COLUMNS, map(_result_values, rows))))
    content = {
        "campaign": results.record["name"],
        "exportedAt": format_timestamp(results.exported_at),
        "totalAudienceMembers": results.member_count,
        "data": rows,
    }
    return (yield from _render(json_pieces(content)))


def export_logs(repository: CampaignRepository, campaign_id: str) -> Steps[bytes]:
    """Return every call of a campaign as CSV.

    Raises:
        ApiError: 400, there is no such campaign (D).
    """
    results = yield from repository.results(campaign_id, HTTPStatus.BAD_REQUEST)
    return (yield from _render(_csv_lines(LOG_COLUMNS, _logged_calls(results))))


def _member_calls(results: CampaignResults) -> Iterator[tuple[Member, list[Call]]]:
    """Yield each member with the calls to it."""
    called = results.calls.called
    for position, member in enumerate(results.members()):
        yield member, results.calls.calls(member["_id"]) if position < called else []


def _member_results(results: CampaignResults) -> Iterator[dict[str, Any]]:
    for member, calls in _member_calls(results):
        attempts = [_call_json(call) for call in calls]
        yield {
            "audienceMemberId": member["_id"],
            "audienceMemberData": member["data"],
            "phoneNumber": str(member["data"][results.phone_column]),
            "originalCall": attempts[0] if attempts else None,
            "retryAttempts": attempts[1:],
            "totalAttempts": len(attempts),
            "finalStatus": calls[-1].status if calls else _PENDING,
            "totalCallDuration": sum(call.duration for call in calls),
            "totalCallCost": round(sum(call.cost for call in calls), 4),
        }


def _call_json(call: Call) -> dict[str, Any]:
    return {
        "callId": call.id,
        "status": call.status,
        "duration": call.duration,
        "cost": call.cost,
        "createdAt": call.started_at,
    }


def _result_values(result: dict[str, Any]) -> list[Any]:
    return [
        render_json(value).decode() if isinstance(value := result[name], dict) else value for name in RESULT_COLUMNS
    ]


def _logged_calls(results: CampaignResults) -> Iterator[list[Any]]:
    for member, calls in _member_calls(results):
        for call in calls:
            has_recording = call.duration > 0
            yield [
                call.id,
                call.started_at,
                member["_id"],
                member["data"][results.phone_column],
                results.agent["name"],
                call.attempt,
                call.status,
                call.duration,
                call.cost,
                f"{_RECORDINGS}/{call.id}.wav" if has_recording else "",
                f"{_RECORDINGS}/{call.id}.json" if has_recording else "",
            ]


def _csv_lines(columns: Iterable[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _render(pieces: Iterator[str]) -> Steps[bytes]:
    """Return all pieces of a text."""
    chunks: list[bytes] = []
    more = True
    while more:
        chunk, more = yield from next_chunk(pieces)
        chunks.append(chunk)
    return b"".join(chunks)
