"""Reads users one by one, and slows down before the rate limit."""

import os
import random
import time

import httpx2  # pip install httpx2

http = httpx2.Client(
    base_url="http://127.0.0.1:8000", headers={"Authorization": f"Bearer {os.environ['ROLLBOOK_KEY']}"}
)
not_before = 0.0


def call(method, path, tries=5, **options):
    """The response to a request, within the rate limit."""
    global not_before
    while True:
        time.sleep(max(0, not_before - time.monotonic()))
        answer = http.request(method, path, **options)
        left, reset = (int(answer.headers.get(f"RateLimit-{name}", 1)) for name in ("Remaining", "Reset"))
        if left < 10:  # while there is plenty, don't wait
            not_before = time.monotonic() + reset / (left + 1)
        if answer.status_code not in (429, 503) or tries == 1:
            answer.raise_for_status()
            return answer
        tries -= 1
        # Others may use the same limit, so don't all come back at once.
        not_before = time.monotonic() + int(answer.headers.get("Retry-After", 1)) + random.random()


for user in call("GET", "/v1/users?limit=1000").json():
    print(call("GET", f"/v1/users/{user['id']}").json()["email"])
