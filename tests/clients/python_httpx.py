"""Call the Atoms audience API with httpx. httpx does not retry responses: a small loop does.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_httpx.py
"""

import os
import time

import httpx

URL = f"{os.environ['ATOMS_BASE_URL']}/audience"


def get(http: httpx.Client, key: str) -> httpx.Response:
    return http.get(URL, headers={"Authorization": f"Bearer {key}"})


def get_with_retries(http: httpx.Client, key: str) -> tuple[httpx.Response, int]:
    """Return the first response below 500, or the fourth, and the number of attempts."""
    attempts = 1
    while (response := get(http, key)).is_server_error and attempts < 4:
        time.sleep(0.1 * 2**attempts)
        attempts += 1
    return response, attempts


with httpx.Client(timeout=10) as http:
    response = get(http, "sk_clients.python-httpx").raise_for_status()
    print(f"list: {len(response.json()['data'])} audiences")

    for key in ("sk_mock_revoked.python-httpx", "sk_mock_500.python-httpx"):
        response = get(http, key)
        print(f"{response.status_code}: {response.json()['errors'][0]}")

    response, attempts = get_with_retries(http, "sk_mock_500x2.python-httpx")
    print(f"retry: {response.status_code} after {attempts} attempts")
