"""Call the Atoms audience API with requests; urllib3's Retry tries again, with pauses that grow.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_requests.py
"""

import os

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

URL = f"{os.environ['ATOMS_BASE_URL']}/audience"


class PatientRetry(Retry):
    """Waits before the first retry as well, which urllib3's own makes at once."""

    def get_backoff_time(self) -> float:
        return max(self.backoff_factor, super().get_backoff_time())


def get(session: requests.Session, key: str) -> requests.Response:
    return session.get(URL, headers={"Authorization": f"Bearer {key}"}, timeout=10)


with requests.Session() as session:
    answer = get(session, "sk_clients.python-requests")
    answer.raise_for_status()
    print(f"list: {len(answer.json()['data'])} audiences")

    for key in ("sk_mock_revoked.python-requests", "sk_mock_500.python-requests"):
        answer = get(session, key)
        print(f"{answer.status_code}: {answer.json()['errors'][0]}")

with requests.Session() as session:
    # Without status_forcelist a 500 is not retried; pauses of 0.2, 0.4 and 0.8 seconds.
    retry = PatientRetry(total=3, status_forcelist=(500, 502, 503, 504), backoff_factor=0.2)
    session.mount(URL, HTTPAdapter(max_retries=retry))
    answer = get(session, "sk_mock_500x2.python-requests")
    retries = answer.raw.retries.history if answer.raw.retries else ()
    print(f"retry: {answer.status_code} after {len(retries) + 1} attempts")

# What the vendor's Python sample sends.
answer = requests.get(URL, headers={"Authorization": "Bearer sk_clients.python-requests"}, timeout=10)
print(f"sample: {answer.status_code}")
