"""Call the Atoms audience API with the official SDK, smallestai. It retries after one second, then after two.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_sdk.py
"""

import os

import httpx
from smallestai import SmallestAI
from smallestai.atoms.errors import InternalServerError, UnauthorizedError
from smallestai.environment import SmallestAIEnvironment

BASE = os.environ["ATOMS_BASE_URL"]
# All four URLs are required, although only the first is used here.
ENVIRONMENT = SmallestAIEnvironment(atoms=BASE, waves=BASE, waves_ws=BASE, payment=BASE)

# The SDK hides its retries; a hook of its HTTP client receives each response.
responses: list[httpx.Response] = []

with httpx.Client(timeout=10, event_hooks={"response": [responses.append]}) as http:

    def client(key: str) -> SmallestAI:
        return SmallestAI(api_key=key, environment=ENVIRONMENT, httpx_client=http)

    audiences = client("sk_clients.python-sdk").atoms.audience.list().data or []
    print(f"list: {len(audiences)} audiences")

    for key in ("sk_mock_revoked.python-sdk", "sk_mock_500.python-sdk"):
        try:
            client(key).atoms.audience.list(request_options={"max_retries": 0})
        except (UnauthorizedError, InternalServerError) as error:
            print(f"{error.status_code}: {error.body['errors'][0]}")

    responses.clear()
    client("sk_mock_500x2.python-sdk").atoms.audience.list()
    print(f"retry: {responses[-1].status_code} after {len(responses)} attempts")

    # The sample in the SDK's own documentation.
    client("sk_clients.python-sdk").atoms.audience.list()
    print(f"sample: {responses[-1].status_code}")
