"""Call the Atoms audience API with httpx, which retries no answer by itself: a small loop does.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_httpx.py
"""

import os
import time

import httpx

URL = f"{os.environ['ATOMS_BASE_URL']}/audience"


def get(http: httpx.Client, key: str) -> httpx.Response:
    return http.get(URL, headers={"Authorization": f"Bearer {key}"})


def get_patiently(http: httpx.Client, key: str) -> tuple[httpx.Response, int]:
    """Return the first answer that is no 5xx, or the fourth, and how many attempts it took."""
    attempts = 1
    while (answer := get(http, key)).is_server_error and attempts < 4:
        time.sleep(0.1 * 2**attempts)
        attempts += 1
    return answer, attempts


with httpx.Client(timeout=10) as http:
    answer = get(http, "sk_clients.python-httpx").raise_for_status()
    print(f"list: {len(answer.json()['data'])} audiences")

    for key in ("sk_mock_revoked.python-httpx", "sk_mock_500.python-httpx"):
        answer = get(http, key)
        print(f"{answer.status_code}: {answer.json()['errors'][0]}")

    answer, attempts = get_patiently(http, "sk_mock_500x2.python-httpx")
    print(f"retry: {answer.status_code} after {attempts} attempts")
