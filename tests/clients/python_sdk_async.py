"""Call the Atoms audience API with the official SDK's async client; it retries by itself, after a second and more.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_sdk_async.py
"""

import asyncio
import os

import httpx
from smallestai import AsyncSmallestAI
from smallestai.atoms.errors import InternalServerError, UnauthorizedError
from smallestai.environment import SmallestAIEnvironment

BASE = os.environ["ATOMS_BASE_URL"]
# All four must be there, though only the first is called here.
ENVIRONMENT = SmallestAIEnvironment(atoms=BASE, waves=BASE, waves_ws=BASE, payment=BASE)


async def main() -> None:
    answers: list[httpx.Response] = []

    async def count(answer: httpx.Response) -> None:
        answers.append(answer)

    # The SDK hides its retries; the hook of its HTTP client sees each answer.
    async with httpx.AsyncClient(timeout=10, event_hooks={"response": [count]}) as http:

        def client(key: str) -> AsyncSmallestAI:
            return AsyncSmallestAI(api_key=key, environment=ENVIRONMENT, httpx_client=http)

        audiences = (await client("sk_clients.python-sdk-async").atoms.audience.list()).data or []
        print(f"list: {len(audiences)} audiences")

        for key in ("sk_mock_revoked.python-sdk-async", "sk_mock_500.python-sdk-async"):
            try:
                await client(key).atoms.audience.list(request_options={"max_retries": 0})
            except (UnauthorizedError, InternalServerError) as error:
                print(f"{error.status_code}: {error.body['errors'][0]}")

        answers.clear()
        await client("sk_mock_500x2.python-sdk-async").atoms.audience.list()
        print(f"retry: {answers[-1].status_code} after {len(answers)} attempts")

        # The sample in the SDK's own documentation.
        await client("sk_clients.python-sdk-async").atoms.audience.list()
        print(f"sample: {answers[-1].status_code}")


asyncio.run(main())
