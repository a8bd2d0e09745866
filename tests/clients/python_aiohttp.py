"""Call the Atoms audience API with aiohttp. aiohttp does not retry responses: a small loop does.

Run it against the mock: ATOMS_BASE_URL=http://127.0.0.1:28667/atoms/v1 python python_aiohttp.py
"""

import asyncio
import os
from typing import Any

import aiohttp

URL = f"{os.environ['ATOMS_BASE_URL']}/audience"


async def get(session: aiohttp.ClientSession, key: str) -> tuple[int, dict[str, Any]]:
    async with session.get(URL, headers={"Authorization": f"Bearer {key}"}) as response:
        return response.status, await response.json()


async def get_with_retries(session: aiohttp.ClientSession, key: str) -> tuple[int, int]:
    """Return the first status below 500, or the fourth, and the number of attempts."""
    attempts = 1
    while (status := (await get(session, key))[0]) >= 500 and attempts < 4:
        await asyncio.sleep(0.1 * 2**attempts)
        attempts += 1
    return status, attempts


async def main() -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        _, body = await get(session, "sk_clients.python-aiohttp")
        print(f"list: {len(body['data'])} audiences")

        for key in ("sk_mock_revoked.python-aiohttp", "sk_mock_500.python-aiohttp"):
            status, body = await get(session, key)
            print(f"{status}: {body['errors'][0]}")

        status, attempts = await get_with_retries(session, "sk_mock_500x2.python-aiohttp")
        print(f"retry: {status} after {attempts} attempts")


asyncio.run(main())
