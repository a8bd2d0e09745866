"""Call the Atoms audience API with the standard library alone; an answer of 400 or above is an exception there.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_stdlib.py
"""

import json
import os
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = f"{os.environ['ATOMS_BASE_URL']}/audience"


def get(key: str) -> tuple[int, dict[str, Any]]:
    request = Request(URL, headers={"Authorization": f"Bearer {key}"})
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def get_patiently(key: str) -> tuple[int, int]:
    """Return the first status that is no 5xx, or the fourth, and how many attempts it took."""
    attempts = 1
    while (status := get(key)[0]) >= 500 and attempts < 4:
        time.sleep(0.1 * 2**attempts)
        attempts += 1
    return status, attempts


_, body = get("sk_clients.python-stdlib")
print(f"list: {len(body['data'])} audiences")

for key in ("sk_mock_revoked.python-stdlib", "sk_mock_500.python-stdlib"):
    status, body = get(key)
    print(f"{status}: {body['errors'][0]}")

status, attempts = get_patiently("sk_mock_500x2.python-stdlib")
print(f"retry: {status} after {attempts} attempts")
