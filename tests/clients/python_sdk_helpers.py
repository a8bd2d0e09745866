"""Call the Atoms audience API with the official SDK's helper. It uses requests and does not retry.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_sdk_helpers.py
"""

import os
import time

import requests
from smallestai.atoms.helpers import Audience

BASE = os.environ["ATOMS_BASE_URL"]


def audience(key: str) -> Audience:
    return Audience(base_url=BASE, api_key=key, request_timeout=10)


def list_with_retries(key: str) -> int:
    """List the audiences in at most four attempts, and return the number of attempts."""
    attempts = 1
    while True:
        try:
            audience(key).list()
        except requests.HTTPError as error:
            if error.response.status_code < 500 or attempts == 4:
                raise
        else:
            return attempts
        time.sleep(0.1 * 2**attempts)
        attempts += 1


response = audience("sk_clients.python-sdk-helpers").list()
print(f"list: {len(response['data'])} audiences")

for key in ("sk_mock_revoked.python-sdk-helpers", "sk_mock_500.python-sdk-helpers"):
    try:
        audience(key).list()
    except requests.HTTPError as error:
        print(f"{error.response.status_code}: {error.response.json()['errors'][0]}")

print(f"retry: 200 after {list_with_retries('sk_mock_500x2.python-sdk-helpers')} attempts")

# The sample of the vendor's guide. It raises an exception for other statuses than 200.
audience("sk_clients.python-sdk-helpers").list()
print("sample: 200")
