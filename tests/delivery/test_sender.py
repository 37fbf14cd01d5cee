"""What reaches a receiver, and that no receiver can hold, fool or break the sender."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rollbook.config import Networks
from rollbook.delivery import outcomes
from rollbook.delivery.addresses import Addresses
from rollbook.delivery.sender import KEPT_BODY, MAX_HEAD, Sender, Sent, Timeouts
from tests.delivery.receiver import (
    OK,
    Authority,
    Behavior,
    Connection,
    answering,
    loopback,
    names,
    once,
    receiving,
)
from tests.grids import grid

HEAD = [("Content-Type", "application/json"), ("webhook-id", "evt_1")]
BODY = b'{"id":"evt_1"}'
# A test that waits for the end of one of these waits no longer; one that does not has minutes.
PATIENT = Timeouts(total=60, connect=60, body=60, idle=600)
HURRIED = Timeouts(total=0.3, connect=0.1, body=0.1)


def answer(behavior: Behavior, timeouts: Timeouts = PATIENT) -> Sent:
    """How one delivery to this receiver ends."""

    async def main() -> Sent:
        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=timeouts)
            try:
                return await sender.post(HEAD, BODY)
            finally:
                await sender.close()

    return asyncio.run(main())


def test_a_request_arrives_as_it_was_given() -> None:
    async def main() -> None:
        async with receiving(answering(OK)) as receiver:
            sender = Sender(receiver.url("/a/hook?source=rollbook"), loopback(), timeouts=PATIENT)
            sent = await sender.post(HEAD, BODY)
            await sender.close()
        assert sent._replace(duration=0) == Sent("delivered", 200, 0, "127.0.0.1", None, "application/json", "{}")
        assert sent.duration > 0
        [request] = receiver.seen
        assert request.line == "POST /a/hook?source=rollbook HTTP/1.1"
        assert request.body == BODY
        assert [name for name, _ in request.headers] == [
            "Host",
            "User-Agent",
            "Accept-Encoding",
            "Content-Type",
            "webhook-id",
            "Content-Length",
        ]
        assert dict(request.headers)["Host"] == f"127.0.0.1:{receiver.port}"

    asyncio.run(main())


def test_connections_are_kept_one_for_each_request_at_a_time() -> None:
    async def main() -> None:
        async with receiving(answering(OK)) as receiver:
            sender = Sender(receiver.url(), loopback(), connections=3, timeouts=PATIENT)
            for _ in range(3):
                assert (await sender.post(HEAD, BODY)).outcome == "delivered"
            assert receiver.connections == 1
            all_sent = await asyncio.gather(*[sender.post(HEAD, BODY) for _ in range(5)])
            assert {sent.outcome for sent in all_sent} == {"delivered"}
            assert receiver.connections == 5
            await asyncio.gather(*[sender.post(HEAD, BODY) for _ in range(3)])
            assert receiver.connections == 5
            await asyncio.gather(*[sender.post(HEAD, BODY) for _ in range(5)])
            assert receiver.connections == 7  # two were not kept
            await sender.close()

    asyncio.run(main())


def test_connections_that_are_not_used_are_closed() -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def behavior(connection: Connection) -> None:
            await connection.read()
            await connection.write(OK)
            await connection.is_closed()
            closed.set()

        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT._replace(idle=0.05))
            await sender.post(HEAD, BODY)
            await asyncio.wait_for(closed.wait(), 60)
            await sender.close()

    asyncio.run(main())


OF_STATUS = [
    (200, "delivered"),
    (201, "delivered"),
    (204, "delivered"),
    (299, "delivered"),
    (300, "redirected"),
    (301, "redirected"),
    (304, "redirected"),
    (308, "redirected"),
    (400, "http_400"),
    (410, "http_410"),
    (429, "http_429"),
    (500, "http_500"),
    (503, "http_503"),
    (599, "http_599"),
]


@grid(("status", "outcome"), OF_STATUS)
def test_the_status_decides(status: int, outcome: str) -> None:
    sent = answer(answering(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status))
    assert (sent.outcome, sent.http_status) == (outcome, status)
    assert outcomes.is_outcome(outcome) and outcomes.describe(outcome)


NOT_HTTP = {
    "not HTTP": b"hello\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x16",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
    "HTTP/0.9": b"<html></html>",
    "status 101": b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "status 000": b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
}


@pytest.mark.parametrize("raw", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_an_answer_is_a_bad_response(raw: bytes) -> None:
    sent = answer(once(raw))
    assert sent._replace(duration=0) == Sent("bad_response", address="127.0.0.1")


ACCEPTED = {
    "informational first": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nRetry-After: "
    b"9\r\nContent-Type: x\r\n\r\n" + OK,
    "no length, then the end": b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
    "chunks": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: "
    b"chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    "more than it announced": OK + b"HTTP/1.1 500 X\r\n\r\n",
    "less than it announced": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}",
    "chunks that break": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: "
    b"chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
}


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=ACCEPTED)
def test_a_complete_head_of_2xx_is_delivered(raw: bytes) -> None:
    sent = answer(once(raw))
    assert sent._replace(duration=0) == Sent("delivered", 200, 0, "127.0.0.1", None, "application/json", "{}")


def test_a_reset_after_2xx_is_delivered() -> None:
    async def behavior(connection: Connection) -> None:
        await connection.read()
        await connection.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\n12345")
        connection.reset()

    sent = answer(behavior)
    assert (sent.outcome, sent.http_status) == ("delivered", 202)


def test_a_receiver_that_closes_without_an_answer_is_asked_once() -> None:
    async def main(behavior: Behavior) -> None:
        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            assert (await sender.post(HEAD, BODY)).outcome == "disconnected"
            assert len(receiver.seen) == 1
            await sender.close()

    async def resets(connection: Connection) -> None:
        await connection.read()
        connection.reset()

    for behavior in (once(b""), once(b"HTTP/1.1 200 OK\r\nContent-"), resets):
        asyncio.run(main(behavior))


def test_a_kept_connection_that_closes_before_it_answers_is_replaced_once() -> None:
    async def main() -> None:
        async def behavior(connection: Connection) -> None:
            await connection.read()
            await connection.write(OK)
            await connection.read()

        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            for _ in range(3):
                assert (await sender.post(HEAD, BODY)).outcome == "delivered"
            assert [request.connection for request in receiver.seen] == [1, 1, 2, 2, 3]
            await sender.close()

    asyncio.run(main())


def test_a_kept_connection_that_breaks_within_its_answer_is_not_replaced() -> None:
    async def main() -> None:
        async def behavior(connection: Connection) -> None:
            await connection.read()
            await connection.write(OK)
            await connection.read()
            await connection.write(b"HTTP/1.1 2")

        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            assert (await sender.post(HEAD, BODY)).outcome == "delivered"
            assert (await sender.post(HEAD, BODY)).outcome == "disconnected"
            assert len(receiver.seen) == 2
            await sender.close()

    asyncio.run(main())


def test_a_connection_with_bytes_that_no_one_asked_for_is_not_used_again() -> None:
    refusal = b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"

    async def together() -> None:
        async with receiving(answering(refusal + OK)) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            for _ in range(3):
                assert (await sender.post(HEAD, BODY)).outcome == "http_500"
            assert receiver.connections == 3
            await sender.close()

    async def later() -> None:
        is_answered, is_closed = asyncio.Event(), asyncio.Event()

        async def behavior(connection: Connection) -> None:
            await connection.read()
            await connection.write(refusal)
            await is_answered.wait()
            await connection.write(OK)
            await connection.is_closed()
            is_closed.set()

        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            assert (await sender.post(HEAD, BODY)).outcome == "http_500"
            is_answered.set()
            await asyncio.wait_for(is_closed.wait(), 60)
            assert (await sender.post(HEAD, BODY)).outcome == "http_500"
            assert receiver.connections == 2
            await sender.close()

    asyncio.run(together())
    asyncio.run(later())


def test_an_answer_before_the_request_was_taken_ends_the_connection() -> None:
    async def main() -> None:
        async def behavior(connection: Connection) -> None:
            await connection.write(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n")
            await asyncio.Event().wait()

        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            for _ in range(2):
                assert (await sender.post(HEAD, b"x" * 16_000_000)).outcome == "http_413"
            assert receiver.connections == 2
            await sender.close()

    asyncio.run(main())


# ---- hostile receivers


async def never_answers(connection: Connection) -> None:
    await connection.read()
    await asyncio.Event().wait()


async def never_reads(connection: Connection) -> None:
    await asyncio.Event().wait()


async def never_speaks_tls(connection: Connection) -> None:
    await asyncio.Event().wait()


def test_a_receiver_that_never_speaks_tls_has_so_long_too() -> None:
    async def main() -> Sent:
        async with receiving(never_speaks_tls) as receiver:
            sender = Sender(receiver.url(scheme="https"), loopback(), timeouts=HURRIED)
            try:
                return await sender.post(HEAD, BODY)
            finally:
                await sender.close()

    assert asyncio.run(main())._replace(duration=0) == Sent("timed_out")


async def drips_its_head(connection: Connection) -> None:
    await connection.read()
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        await connection.write(bytes([byte]))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("behavior", [never_answers, never_reads, drips_its_head])
def test_a_receiver_has_so_long_and_no_longer(behavior: Behavior) -> None:
    sent = answer(behavior, HURRIED)
    assert (sent.outcome, sent.http_status, sent.response) == ("timed_out", None, "")
    assert sent.duration >= 300_000


async def drips_its_body(connection: Connection) -> None:
    await connection.read()
    await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        await connection.write(b"x")
        await asyncio.sleep(0.02)


async def drips_its_chunks(connection: Connection) -> None:
    await connection.read()
    await connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1000):
        await connection.write(b"1\r\nx\r\n")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("behavior", [drips_its_body, drips_its_chunks])
def test_a_body_that_drips_costs_the_connection_not_the_delivery(behavior: Behavior) -> None:
    sent = answer(behavior, PATIENT._replace(body=0.1))
    assert (sent.outcome, sent.http_status) == ("delivered", 200)
    assert set(sent.response) <= {"x"} and len(sent.response) < 1000


def endless(head: bytes, part: bytes, taken: list[int]) -> Behavior:
    async def behavior(connection: Connection) -> None:
        await connection.read()
        await connection.write(head)
        for _ in range(2**30 // len(part)):
            await connection.write(part)
            taken[0] += len(part)

    return behavior


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a body of 1 GiB": (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b"x" * 65_536, "delivered"),
    "an error of 1 GiB": (b"HTTP/1.1 500 X\r\nContent-Length: 1073741824\r\n\r\n", b"x" * 65_536, "http_500"),
    "a body without an end": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, "delivered"),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n" * 10_000, "delivered"),
    "a chunk extension": (CHUNKED + b"1;", b"x" * 65_536, "delivered"),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n" * 10_000, "delivered"),
    "a status line": (b"HTTP/1.1 200 ", b"x" * 65_536, "too_large"),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536, "too_large"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000, "too_large"),
    "informational responses": (b"", b"HTTP/1.1 103 X\r\n\r\n" * 4_000, "too_large"),
}


@pytest.mark.parametrize(("head", "part", "outcome"), ENDLESS.values(), ids=ENDLESS)
def test_an_endless_answer_is_not_read(head: bytes, part: bytes, outcome: str) -> None:
    taken = [0]
    sent = answer(endless(head, part, taken))
    assert sent.outcome == outcome
    assert len(sent.response) <= KEPT_BODY
    assert taken[0] < 32 << 20  # what the kernel buffers


def test_small_pieces_are_not_read_either() -> None:
    """Each piece costs a call: a million of them would hold up all requests of this process."""
    pieces = 20_000
    answer_in_pieces = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * pieces + b"0\r\n\r\n"
    sent = answer(once(answer_in_pieces))
    assert sent.outcome == "delivered"
    assert len(sent.response) < 1000


TRAILERS = (
    b"HTTP/1.1 503 X\r\nContent-Type: a\r\nRetry-After: 7\r\nTransfer-Encoding: "
    b"chunked\r\n\r\n0\r\nContent-Type: b\r\nRetry-After: 9\r\n\r\n"
)


def test_trailers_are_not_headers() -> None:
    sent = answer(once(TRAILERS))
    assert (sent.retry_after, sent.response_type) == (7, "a")


PARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 500 X\r\n",
        b"HTTP/1.1 103 X\r\n",
        b"HTTP/1.1 ",
        b"204",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b":",
        b"Content-Length: 2\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Retry-After: ",
        b"Content-Type: \xff\r\n",
        b"2\r\n{}\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"{}",
        b"\0",
        b"\xff" * 100,
        b"x" * 5000,
    ]
)


@hypothesis_settings(max_examples=60)
@given(st.lists(st.lists(PARTS | st.binary(max_size=8), max_size=8).map(b"".join), max_size=4))
def test_no_answer_raises_and_every_outcome_is_known(parts: list[bytes]) -> None:
    async def behavior(connection: Connection) -> None:
        await connection.read()
        for part in parts:
            await connection.write(part)
            await asyncio.sleep(0)

    async def main() -> None:
        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            for _ in range(2):
                sent = await sender.post(HEAD, BODY)
                assert outcomes.is_outcome(sent.outcome) and (sent.http_status is None) == (
                    sent.outcome in ("disconnected", "bad_response", "too_large")
                )
            await sender.close()

    asyncio.run(main())


def test_a_head_of_almost_32_kib_is_read() -> None:
    start, end = b"HTTP/1.1 200 OK\r\nX: ", b"\r\nContent-Length: 0\r\n\r\n"
    fits = start + b"x" * (MAX_HEAD - len(start) - len(end)) + end
    assert answer(once(fits)).outcome == "delivered"
    assert answer(once(start + b"x" * MAX_HEAD + end)).outcome == "too_large"


def test_4_kib_of_the_body_are_kept_as_text_that_every_database_stores() -> None:
    def response(body: bytes) -> str:
        return answer(once(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))).response

    assert response(b"x" * 60_000) == "x" * KEPT_BODY
    assert response(b"a\0b") == "a\ufffdb"
    assert response(b"\xff" * 5000) == "\ufffd" * (KEPT_BODY // 3)
    assert response("é".encode() * 5000) == "é" * (KEPT_BODY // 2)
    assert response(b"x" + "é".encode() * 5000) == "x" + "é" * (KEPT_BODY // 2 - 1)


def test_redirects_are_not_followed() -> None:
    async def main() -> None:
        async with receiving(answering(OK)) as other:
            location = b"Location: http://127.0.0.1:%d/\r\n" % other.port
            async with receiving(answering(b"HTTP/1.1 307 X\r\n%bContent-Length: 0\r\n\r\n" % location)) as receiver:
                sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
                sent = await sender.post(HEAD, BODY)
                await sender.close()
            assert (sent.outcome, sent.http_status) == ("redirected", 307)
            assert other.connections == 0

    asyncio.run(main())


def test_a_canceled_request_takes_its_connection_with_it() -> None:
    async def main() -> None:
        arrived, closed = asyncio.Event(), asyncio.Event()

        async def behavior(connection: Connection) -> None:
            await connection.read()
            arrived.set()
            await connection.is_closed()
            closed.set()

        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            task = asyncio.create_task(sender.post(HEAD, BODY))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 60)
            await sender.close()

    asyncio.run(main())


def test_a_closed_sender_keeps_no_connection() -> None:
    async def main() -> None:
        arrived, may_answer, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def behavior(connection: Connection) -> None:
            await connection.read()
            arrived.set()
            await may_answer.wait()
            await connection.write(OK)
            await connection.is_closed()
            closed.set()

        async with receiving(behavior) as receiver:
            sender = Sender(receiver.url(), loopback(), timeouts=PATIENT)
            task = asyncio.create_task(sender.post(HEAD, BODY))
            await arrived.wait()
            await sender.close()
            may_answer.set()
            assert (await task).outcome == "delivered"
            await asyncio.wait_for(closed.wait(), 60)

    asyncio.run(main())


def test_a_header_can_not_add_lines() -> None:
    async def main() -> None:
        sender = Sender("http://127.0.0.1:9/", loopback())
        for head in ([("X", "a\r\nHost: other")], [("X", "a\nY: b")], [("X\r\nY", "b")], [("X", "a\r")]):
            with pytest.raises(ValueError, match="line break"):
                await sender.post(head, BODY)

    asyncio.run(main())


# ---- addresses and TLS


def deliver(url: Callable[[int], str], addresses: Addresses, behavior: Behavior, **options: object) -> Sent:
    """How a delivery to this URL ends, while a receiver listens on 127.0.0.1."""

    async def main() -> Sent:
        async with receiving(behavior, tls=options.get("server")) as receiver:  # pyrefly: ignore
            sender = Sender(url(receiver.port), addresses, timeouts=PATIENT, tls=options.get("client"))  # pyrefly: ignore
            try:
                return await sender.post(HEAD, BODY)
            finally:
                await sender.close()

    return asyncio.run(main())


def test_no_listener_is_connect_failed() -> None:
    async def main() -> None:
        async with receiving(answering(OK)) as receiver:
            url = receiver.url()
        sent = await Sender(url, loopback(), timeouts=PATIENT).post(HEAD, BODY)
        assert sent._replace(duration=0) == Sent("connect_failed", detail="Connection refused")

    asyncio.run(main())


def test_if_one_address_does_not_work_the_next_is_tried() -> None:
    addresses = Addresses(Networks.parse(["127.0.0.0/8"]), look_up=names(two_example=["127.0.0.2", "127.0.0.1"]))
    sent = deliver(lambda port: f"http://two.example:{port}/", addresses, answering(OK))
    assert (sent.outcome, sent.address) == ("delivered", "127.0.0.1")


def test_a_name_without_an_address_is_no_address() -> None:
    sent = deliver(lambda port: f"http://none.example:{port}/", loopback(names()), answering(OK))
    assert sent == Sent("no_address")


def test_a_name_server_that_hangs_holds_one_thread_and_no_sender() -> None:
    async def main() -> None:
        called, answers = [], threading.Event()

        def look_up(host: str, port: None, *, type: int) -> list[tuple]:
            called.append(host)
            answers.wait(60)
            return [(0, 0, 0, "", ("127.0.0.1", 0))]

        sender = Sender(
            "http://slow.example/",
            Addresses(Networks.parse(["127.0.0.1/32"]), look_up=look_up, timeout=0.1),
            timeouts=PATIENT,
        )
        for _ in range(2):
            sent = await asyncio.gather(*[sender.post(HEAD, BODY) for _ in range(10)])
            assert {each.outcome for each in sent} == {"no_address"}
        assert called == ["slow.example"]
        answers.set()

    asyncio.run(main())


def test_a_name_that_turns_to_a_private_address_is_refused_and_its_listener_stays_silent() -> None:
    async def main() -> None:
        answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1"]]

        def look_up(host: str, port: None, *, type: int) -> list[tuple]:
            return [(0, 0, 0, "", (address, 0)) for address in answers.pop(0)]

        addresses = Addresses(Networks.parse(["127.0.0.1/32"]), look_up=look_up, remembered=0)
        closes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        async with (
            receiving(answering(closes)) as receiver,
            receiving(answering(OK), host="127.0.0.2", port=receiver.port) as private,
        ):
            sender = Sender(receiver.url(host="rebinds.example"), addresses, timeouts=PATIENT)
            found = [await sender.post(HEAD, BODY) for _ in range(4)]
            assert [sent.outcome for sent in found] == ["delivered", "no_address", "no_address", "delivered"]
            assert found[1] == Sent("no_address")
            assert private.connections == 0
            await sender.close()

    asyncio.run(main())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_is_verified_by_name(authority: Authority) -> None:
    addresses = loopback(names(hooks_example=["127.0.0.1"]))

    def sent(server: str, days: float = 1, host: str = "hooks.example") -> Sent:
        context = authority.server(server, days=days)
        return deliver(
            lambda port: f"https://{host}:{port}/", addresses, answering(OK), server=context, client=authority.trusted()
        )

    assert sent("hooks.example").outcome == "delivered"
    assert sent("127.0.0.1", host="127.0.0.1").outcome == "delivered"
    refused = "The certificate was not accepted: "
    wrong_name = f"{refused}Hostname mismatch, certificate is not valid for 'hooks.example'. Use a name that is in it as subjectAltName."
    assert sent("other.example")._replace(duration=0) == Sent("tls_failed", detail=wrong_name)
    expired = sent("hooks.example", days=-1)
    assert (expired.outcome, expired.detail) == ("tls_failed", f"{refused}certificate has expired. Renew it.")
    wrong_address = sent("hooks.example", host="127.0.0.1")
    assert wrong_address.outcome == "tls_failed" and str(wrong_address.detail).startswith(
        f"{refused}IP address mismatch"
    )


def test_a_certificate_is_told_with_what_its_authority_lacks(tmp_path: Path) -> None:
    no_authority = Authority(tmp_path, is_authority=False)
    server, client = no_authority.server("127.0.0.1"), no_authority.trusted()
    sent = deliver(lambda port: f"https://127.0.0.1:{port}/", loopback(), answering(OK), server=server, client=client)
    assert sent.outcome == "tls_failed" and "lacks basicConstraints with CA:TRUE" in str(sent.detail)
    assert "-addext basicConstraints=critical,CA:TRUE" in str(sent.detail), "how to fix it"


def test_an_authority_that_is_not_trusted_and_a_port_without_tls_fail(authority: Authority, tmp_path: Path) -> None:
    def url(port: int) -> str:
        return f"https://127.0.0.1:{port}/"

    async def hangs_up(connection: Connection) -> None:
        connection.reset()

    async def speaks_http(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    other = Authority(tmp_path).server("127.0.0.1")
    found = [
        deliver(url, loopback(), answering(OK), server=other, client=authority.trusted()),
        deliver(url, loopback(), answering(OK), server=other),
        deliver(url, loopback(), speaks_http, client=authority.trusted()),
        deliver(url, loopback(), hangs_up, client=authority.trusted()),
    ]
    assert [sent.outcome for sent in found] == ["tls_failed"] * 4
    refused = "The certificate was not accepted: "
    assert [sent.detail for sent in found] == [
        f"{refused}certificate signature failure.",  # of another authority with the same name
        f"{refused}unable to get local issuer certificate.",
        "The port does not speak TLS.",
        "The connection was closed during the TLS handshake.",
    ]


def test_tls_connections_are_kept_and_hostile_answers_bounded(authority: Authority) -> None:
    async def main() -> None:
        taken = [0]
        async with receiving(answering(OK), tls=authority.server("127.0.0.1")) as receiver:
            sender = Sender(receiver.url(scheme="https"), loopback(), timeouts=PATIENT, tls=authority.trusted())
            for _ in range(3):
                assert (await sender.post(HEAD, BODY)).outcome == "delivered"
            assert receiver.connections == 1
            await sender.close()
        head, part, outcome = ENDLESS["a body of 1 GiB"]
        async with receiving(endless(head, part, taken), tls=authority.server("127.0.0.1")) as receiver:
            sender = Sender(receiver.url(scheme="https"), loopback(), timeouts=PATIENT, tls=authority.trusted())
            assert (await sender.post(HEAD, BODY)).outcome == outcome
            await sender.close()
        assert taken[0] < 32 << 20

    asyncio.run(main())
