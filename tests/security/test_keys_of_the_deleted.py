"""No key is made for a user that was deleted while the request waited for its turn to write."""

from __future__ import annotations

import fcntl
import time
from concurrent.futures import Future, ThreadPoolExecutor

import httpx2

from rollbook import errors
from tests.contract.answers import refused
from tests.harness import Server, new_user


def test_a_key_asked_for_while_its_user_is_deleted_is_not_made(server: Server, http: httpx2.Client) -> None:
    for _ in range(10):
        user = new_user(http)
        with ThreadPoolExecutor(2) as pool:
            with open(server.data / "writer.lock", "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # no write comes through: both requests see the user as it is
                deletion: Future[httpx2.Response] = pool.submit(http.delete, f"/v1/users/{user['id']}")
                time.sleep(0.3)
                creation: Future[httpx2.Response] = pool.submit(
                    http.post, "/v1/keys", json={"name": "x", "user_id": user["id"]}
                )
                time.sleep(0.3)
            assert deletion.result().status_code == 204
        if creation.result().status_code == 404:
            break  # and not the other way round, because the deletion was held up: then the key goes with its user
    refused(creation.result(), errors.NotFound)
    assert http.post(f"/v1/users/{user['id']}/restore").status_code == 200
    assert http.get("/v1/keys", params={"user": user["id"]}).json() == []
