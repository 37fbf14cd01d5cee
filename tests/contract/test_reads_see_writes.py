"""Whoever was told that a write is done sees it in every read that begins afterwards, through whichever worker."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.callers import worker_of
from tests.contract.expect import ids, links, refused
from tests.harness import Server, new_key, new_user, running

CONNECTIONS, MOST_CONNECTIONS = 12, 96


@pytest.fixture(scope="module")
def server(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("workers") / "data", "--rate-limit", "none", "--workers", "2") as server:
        yield server


@pytest.fixture(scope="module")
def clients(server: Server) -> Iterator[list[httpx2.Client]]:
    """Clients with a connection each; the kernel spreads them over the workers."""
    clients = [server.http() for _ in range(CONNECTIONS)]
    # On a busy machine one worker may have taken them all.
    while not _reach_both(server, clients) and len(clients) < MOST_CONNECTIONS:
        clients += [server.http() for _ in range(CONNECTIONS)]
    yield clients
    for client in clients:
        client.close()


def test_the_connections_reach_both_workers(server: Server, clients: list[httpx2.Client]) -> None:
    """What the others rest on: if all went to one worker, they would show nothing."""
    assert _reach_both(server, clients)


def _reach_both(server: Server, clients: list[httpx2.Client]) -> bool:
    """Two workers have two stocks of request ids. All ask at once, so that no worker has the time to take every
    connection."""
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(lambda client: client.get("/v1/users/count"), clients))
    assert {answer.status_code for answer in answers} == {200}
    return len({worker_of(answer.headers["x-request-id"]) for answer in answers}) >= 2


def test_every_worker_sees_every_write_as_soon_as_it_is_acknowledged(clients: list[httpx2.Client]) -> None:
    chance = random.Random(3)
    for turn in range(12):
        writer = chance.choice(clients)
        user = new_user(writer, name=f"Seen {turn:03}", external_id=f"seen-{turn}")
        path, id = f"/v1/users/{user['id']}", user["id"]
        for reader in clients:
            assert reader.get(path).json()["name"] == f"Seen {turn:03}"
        total = writer.get("/v1/users/count").json()["count"]
        for reader in clients:
            assert ids([reader.get("/v1/users", params={"q": f"seen {turn:03}"})]) == [id]
            assert ids([reader.get("/v1/users", params={"email": user["email"]})]) == [id]
            assert ids([reader.get("/v1/users?sort=-created_at&limit=1")]) == [id]
            last = reader.get(f"/v1/users?limit=1&offset={total - 1}")
            assert (ids([last]), last.headers["x-total-count"]) == ([id], str(total))
        etag = chance.choice(clients).put(path, json={"name": f"Renamed {turn:03}"}).headers["etag"]
        for reader in clients:
            found = reader.get(path)
            assert (found.json()["name"], found.headers["etag"]) == (f"Renamed {turn:03}", etag)
            assert reader.get("/v1/users", params={"q": f"seen {turn:03}"}).json() == []
        assert chance.choice(clients).delete(path).status_code == 204
        for reader in clients:
            refused(reader.get(path), 404, "not_found")
            assert reader.get("/v1/users", params={"external_id": f"seen-{turn}"}).json() == []
            assert reader.get("/v1/users?limit=1").headers["x-total-count"] == str(total - 1)


def test_a_change_through_one_worker_is_what_the_next_change_through_another_starts_from(
    clients: list[httpx2.Client],
) -> None:
    user = new_user(clients[0], metadata={"n": 0})
    path = f"/v1/users/{user['id']}"

    def count_up(client: httpx2.Client) -> None:
        done = 0
        while done < 5:
            found = client.get(path)
            answer = client.put(
                path,
                json={"metadata": {"n": found.json()["metadata"]["n"] + 1}},
                headers={"If-Match": found.headers["etag"]},
            )
            assert answer.status_code in (200, 412)
            done += answer.status_code == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, clients[:4]))
    assert clients[5].get(path).json()["metadata"] == {"n": 20}, "no change was lost"


def test_one_address_asked_for_at_once_through_all_workers_goes_to_one_user(clients: list[httpx2.Client]) -> None:
    for turn in range(4):
        start = threading.Barrier(CONNECTIONS)

        def create(client: httpx2.Client, turn: int = turn, start: threading.Barrier = start) -> httpx2.Response:
            start.wait()
            return client.post(
                "/v1/users", json={"name": "A", "email": f"raced{turn}@example.com", "password": "securepassword123"}
            )

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = list(pool.map(create, clients))
        made = [answer for answer in answers if answer.status_code == 201]
        assert len(made) == 1
        for answer in answers:
            if answer not in made:
                refused(answer, 400, "email_taken", "Email address is already in use.")
        assert all(
            ids([client.get("/v1/users", params={"email": f"RACED{turn}@example.com"})]) == [made[0].json()["id"]]
            for client in clients
        )


def test_pages_are_whole_and_totals_true_while_other_workers_write(clients: list[httpx2.Client]) -> None:
    """A page, its total and its links come from one moment: while users come and go elsewhere, no page is torn."""
    stays = ids([clients[0].get("/v1/users?limit=1000")])
    stop = threading.Event()

    def churn(client: httpx2.Client) -> int:
        turns = 0
        while not stop.is_set() or turns < 20:
            client.delete(f"/v1/users/{new_user(client)['id']}")
            turns += 1
        return turns

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(churn, client) for client in clients[:2]]
        try:
            for turn in range(300):
                answer = clients[2 + turn % 4].get("/v1/users?limit=1000")
                page = ids([answer])
                assert page[: len(stays)] == stays
                assert int(answer.headers["x-total-count"]) == len(page)
                first = clients[6].get(f"/v1/users?limit={len(stays)}")
                assert ids([first]) == stays
                assert ("next" in links(first)) == (int(first.headers["x-total-count"]) > len(stays))
        finally:
            stop.set()
        assert all(writer.result() >= 20 for writer in writers)


def test_a_new_key_works_and_a_revoked_key_stops_on_every_worker(server: Server, clients: list[httpx2.Client]) -> None:
    user = new_user(clients[0])
    made = clients[0].post("/v1/keys", json={"name": "k", "user_id": user["id"]}).json()
    holders = [server.http(made["key"]) for _ in range(CONNECTIONS)]
    assert all(holder.get("/v1/users/me").status_code == 200 for holder in holders)
    assert clients[1].delete(f"/v1/keys/{made['id']}").status_code == 204
    deadline = time.monotonic() + 60  # the contract allows a second, and a busy machine may take more
    for holder in holders:
        while holder.get("/v1/users/me").status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        refused(holder.get("/v1/users/me"), 401, "revoked_key")
        holder.close()
    with server.http(new_key(clients[2], user_id=user["id"])) as holder:
        assert holder.get("/v1/users/me").status_code == 200
