"""Call the Atoms audience API with the official SDK's async client. It retries after one second, then after two.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_sdk_async.py
"""

import asyncio
import os

import httpx
from smallestai import AsyncSmallestAI
from smallestai.atoms.errors import InternalServerError, UnauthorizedError
from smallestai.environment import SmallestAIEnvironment

BASE = os.environ["ATOMS_BASE_URL"]
# All four URLs are required, although only the first is used here.
ENVIRONMENT = SmallestAIEnvironment(atoms=BASE, waves=BASE, waves_ws=BASE, payment=BASE)


async def main() -> None:
    responses: list[httpx.Response] = []

    async def record(response: httpx.Response) -> None:
        responses.append(response)

    # The SDK hides its retries; a hook of its HTTP client receives each response.
    async with httpx.AsyncClient(timeout=10, event_hooks={"response": [record]}) as http:

        def client(key: str) -> AsyncSmallestAI:
            return AsyncSmallestAI(api_key=key, environment=ENVIRONMENT, httpx_client=http)

        audiences = (await client("sk_clients.python-sdk-async").atoms.audience.list()).data or []
        print(f"list: {len(audiences)} audiences")

        for key in ("sk_mock_revoked.python-sdk-async", "sk_mock_500.python-sdk-async"):
            try:
                await client(key).atoms.audience.list(request_options={"max_retries": 0})
            except (UnauthorizedError, InternalServerError) as error:
                print(f"{error.status_code}: {error.body['errors'][0]}")

        responses.clear()
        await client("sk_mock_500x2.python-sdk-async").atoms.audience.list()
        print(f"retry: {responses[-1].status_code} after {len(responses)} attempts")

        # The sample in the SDK's own documentation.
        await client("sk_clients.python-sdk-async").atoms.audience.list()
        print(f"sample: {responses[-1].status_code}")


asyncio.run(main())
