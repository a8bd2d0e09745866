"""Measures the slowest list that a client receives while others keep the server busy.

A script that imports nothing of this package: `bystander.py PORT` prints `ready`, sends lists until its input ends, and
prints the seconds of the slowest one.
"""

import http.client
import select
import sys
import time

PAUSE_SECONDS = 0.01
LIST, HEADERS = "/atoms/v1/audience", {"Authorization": "Bearer sk_bystander"}


def main() -> None:
    """Send lists on one connection, with pauses, until the input ends."""
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    slowest = 0.0
    is_over, is_ready = False, False
    while not is_over:
        begin = time.perf_counter()
        connection.request("GET", LIST, headers=HEADERS)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise SystemExit(f"the bystander received {response.status}: {response.read()[:200]!r}")
        response.read()
        if is_ready:
            slowest = max(slowest, time.perf_counter() - begin)
        else:  # the first list of a tenant is generated
            print("ready", flush=True)
            is_ready = True
        is_over = bool(select.select([sys.stdin], [], [], PAUSE_SECONDS)[0])
    print(slowest)


if __name__ == "__main__":
    main()
