"""The campaigns of one tenant, as tests drive them. Needs only the standard library."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mock_atoms.testing.control_api import ControlApi

Reports = list[dict[str, Any]]
"""Campaigns as the control API returns them."""


class Campaigns:
    """The campaigns of one tenant of a running mock server.

    Args:
        control: the control API of the server.
        tenant: its `token`, and its `testId` if it has one.
    """

    def __init__(self, control: ControlApi, tenant: Mapping[str, str]) -> None:
        self._control = control
        self._tenant = dict(tenant)

    def list(self) -> Reports:
        """Return all campaigns, as `GET /campaign/{id}` has them in `campaign`.

        Raises:
            ControlError: the control API is not available, or there is no token.
        """
        return [report["campaign"] for report in self._reports()]

    def get(self, campaign_id: str) -> dict[str, Any]:
        """Return one campaign with `campaign`, `events` and `metrics`, as `GET /campaign/{id}` has them in `data`.

        Raises:
            KeyError: the tenant has no campaign with this id.
            ControlError: as in `list`.
        """
        for report in self._reports():
            if report["campaign"].get("_id") == campaign_id:
                return report
        raise KeyError(f"no campaign {campaign_id}")

    def advance(
        self, campaign_id: str, status: str, *, error: str | None = None, scheduled_at: str | None = None
    ) -> dict[str, Any]:
        """Give a campaign a status that it can reach, and return it like `get`.

        Args:
            campaign_id: id of the campaign.
            status: such as `running`, `paused`, `completed` or `failed`.
            error: why it is `failed`; only with this status.
            scheduled_at: timestamp when a `scheduled` one starts; only with this status.

        Raises:
            ControlError: there is no such campaign, or it cannot reach the status; the message lists those it can.
        """
        optional = {"error": error, "scheduledAt": scheduled_at}
        step = {name: value for name, value in optional.items() if value is not None}
        content = self._control.call(
            "PUT", f"/campaigns/{quote(campaign_id, safe='')}", {**self._tenant, "status": status, **step}
        )
        return {name: content[name] for name in ("campaign", "events", "metrics")}

    def _reports(self) -> Reports:
        reports: Reports = self._control.call("GET", "/campaigns", query=self._tenant)["campaigns"]
        return reports
