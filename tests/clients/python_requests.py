"""Call the Atoms audience API with requests. urllib3's Retry retries with growing pauses.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_requests.py
"""

import os

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

URL = f"{os.environ['ATOMS_BASE_URL']}/audience"


class BackoffRetry(Retry):
    """Waits before the first retry too. urllib3's own class sends it immediately."""

    def get_backoff_time(self) -> float:
        return max(self.backoff_factor, super().get_backoff_time())


def get(session: requests.Session, key: str) -> requests.Response:
    return session.get(URL, headers={"Authorization": f"Bearer {key}"}, timeout=10)


with requests.Session() as session:
    response = get(session, "sk_clients.python-requests")
    response.raise_for_status()
    print(f"list: {len(response.json()['data'])} audiences")

    for key in ("sk_mock_revoked.python-requests", "sk_mock_500.python-requests"):
        response = get(session, key)
        print(f"{response.status_code}: {response.json()['errors'][0]}")

with requests.Session() as session:
    # A 500 is only retried if it is in status_forcelist. The pauses are 0.2, 0.4 and 0.8 seconds.
    retry = BackoffRetry(total=3, status_forcelist=(500, 502, 503, 504), backoff_factor=0.2)
    session.mount(URL, HTTPAdapter(max_retries=retry))
    response = get(session, "sk_mock_500x2.python-requests")
    retries = response.raw.retries.history if response.raw.retries else ()
    print(f"retry: {response.status_code} after {len(retries) + 1} attempts")

# What the vendor's Python sample sends.
response = requests.get(URL, headers={"Authorization": "Bearer sk_clients.python-requests"}, timeout=10)
print(f"sample: {response.status_code}")
