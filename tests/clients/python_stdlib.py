"""Call the Atoms audience API with only the standard library, which raises an exception for a status of 400 or above.

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
        with urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def get_with_retries(key: str) -> tuple[int, int]:
    """Return the first status below 500, or the fourth, and the number of attempts."""
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

status, attempts = get_with_retries("sk_mock_500x2.python-stdlib")
print(f"retry: {status} after {attempts} attempts")
