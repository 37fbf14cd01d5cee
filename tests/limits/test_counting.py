"""What both limiters promise, with the clock in our hands."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest

from rollbook.clock import SECOND
from rollbook.limits.windows import UNLIMITED, Verdict, clear, look, refused_by, retry_after, settle
from rollbook.quota import NO_LIMIT, Limit, Window

NOW = 1_700_000_000 * SECOND
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND


def test_exactly_as_many_as_allowed(counter: Any) -> None:
    assert counter.admitted(150, "user", "100/minute,5000/hour", NOW) == 100


def test_an_answer_tells_what_is_left_in_every_window(counter: Any) -> None:
    assert counter.take("user", "100/minute,5000/hour", NOW) == Verdict(True, ((99, 60), (4999, 3600)))
    assert counter.take("user", "100/minute,5000/hour", NOW + 1) == Verdict(True, ((98, 60), (4998, 3600)))
    assert counter.take("user", "100/minute,5000/hour", NOW + SECOND) == Verdict(True, ((97, 59), (4997, 3599)))


def test_a_window_lasts_its_seconds_from_its_first_request_to_the_microsecond(counter: Any) -> None:
    assert counter.admitted(1, "user", "2/minute", NOW) == 1
    assert counter.admitted(5, "user", "2/minute", NOW + 30 * SECOND) == 1
    assert counter.take("user", "2/minute", NOW + MINUTE - 1) == Verdict(False, ((0, 1),))
    assert counter.take("user", "2/minute", NOW + MINUTE) == Verdict(True, ((1, 60),))
    assert counter.take("user", "2/minute", NOW + 2 * MINUTE - 1) == Verdict(True, ((0, 1),))
    assert not counter.take("user", "2/minute", NOW + 2 * MINUTE - 1).admitted


def test_a_new_window_starts_with_the_first_request_in_it_not_with_the_end_of_the_last(counter: Any) -> None:
    counter.take("user", "2/minute", NOW)
    assert counter.take("user", "2/minute", NOW + 90 * SECOND) == Verdict(True, ((1, 60),))
    assert counter.admitted(2, "user", "2/minute", NOW + 149 * SECOND) == 1


def test_a_refused_request_counts_in_no_window(counter: Any) -> None:
    assert counter.admitted(500, "user", "2/minute,5/hour", NOW) == 2
    assert counter.admitted(500, "user", "2/minute,5/hour", NOW + MINUTE) == 2
    assert counter.admitted(500, "user", "2/minute,5/hour", NOW + 2 * MINUTE) == 1
    refused = counter.take("user", "2/minute,5/hour", NOW + 3 * MINUTE)
    assert refused == Verdict(False, ((2, 60), (0, 3420))), "the minute has not even started"
    assert retry_after(refused) == 3420


def test_retry_after_is_the_later_of_several_windows_used_up() -> None:
    assert retry_after(Verdict(False, ((0, 12), (0, 3000), (7, 9000)))) == 3000


def test_buckets_are_separate(counter: Any) -> None:
    assert counter.admitted(9, "user_a", "3/minute", NOW) == 3
    assert counter.admitted(9, "user_b", "3/minute", NOW) == 3
    assert counter.admitted(9, "address:::1", "3/minute", NOW) == 3


def test_no_limit_admits_everything_and_keeps_nothing(counter: Any) -> None:
    assert all(counter.take("user", NO_LIMIT, NOW, "key", NO_LIMIT) is UNLIMITED for _ in range(1000))
    assert counter.take("user", NO_LIMIT, NOW) is UNLIMITED
    assert counter.take("user", "1/minute", NOW).admitted


def test_a_key_with_its_own_limit_counts_in_both_and_stops_at_the_lower(counter: Any) -> None:
    def with_key(key: str) -> Verdict:
        return counter.take("user", "5/minute", NOW, key, "2/minute,4/hour")

    assert with_key("key_a") == Verdict(True, ((4, 60), (1, 60), (3, 3600)))
    assert with_key("key_a") == Verdict(True, ((3, 60), (0, 60), (2, 3600)))
    assert with_key("key_a") == Verdict(False, ((3, 60), (0, 60), (2, 3600)))
    assert with_key("key_b").admitted
    assert with_key("key_b").admitted
    assert counter.take("user", "5/minute", NOW).admitted
    assert with_key("key_c") == Verdict(False, ((0, 60), (2, 60), (4, 3600))), (
        "all keys together: the user has none left"
    )


def test_a_key_may_have_a_limit_where_its_user_has_none(counter: Any) -> None:
    verdicts = [counter.take("user", NO_LIMIT, NOW, "key", "2/minute") for _ in range(3)]
    assert verdicts == [Verdict(True, ((1, 60),)), Verdict(True, ((0, 60),)), Verdict(False, ((0, 60),))]


def test_a_raised_limit_keeps_what_was_counted(counter: Any) -> None:
    assert counter.admitted(20, "user", "10/minute,50/hour", NOW) == 10
    assert counter.take("user", "15/minute,50/hour", NOW) == Verdict(True, ((4, 60), (39, 3600)))


def test_a_lowered_limit_keeps_what_was_counted(counter: Any) -> None:
    assert counter.admitted(8, "user", "10/minute,50/hour", NOW) == 8
    assert counter.take("user", "5/minute,50/hour", NOW) == Verdict(False, ((0, 60), (42, 3600)))


def test_a_window_of_the_same_length_keeps_its_count_among_others(counter: Any) -> None:
    assert counter.admitted(3, "user", "10/minute,50/hour", NOW) == 3
    assert counter.take("user", "9/30s,50/hour,80/day", NOW).left == ((8, 30), (46, 3600), (79, 86_400))
    assert counter.take("user", "2/1s,10/minute", NOW).left == ((1, 1), (6, 60)), "the minute was away and is back"
    assert counter.take("user", "50/hour", NOW).left == ((45, 3600),)


def test_limits_may_change_for_ever(counter: Any) -> None:
    limit = NO_LIMIT
    for seconds in range(1, 200):
        limit = Limit(Window(5, seconds + more) for more in range(4))
        assert counter.take("user", limit, NOW + seconds).admitted
    assert counter.take("user", limit, NOW + 200).left == ((0, 199), (1, 200), (2, 201), (3, 202)), (
        "so often each length was in the limit"
    )


def test_a_clock_set_back_makes_nobody_wait_longer_than_a_window(counter: Any) -> None:
    assert counter.admitted(9, "user", "2/minute", NOW + 30 * 24 * HOUR) == 2
    assert counter.take("user", "2/minute", NOW) == Verdict(False, ((0, 60),)), "what was counted stays counted"
    assert counter.take("user", "2/minute", NOW + MINUTE - 1) == Verdict(False, ((0, 1),))
    assert counter.take("user", "2/minute", NOW + MINUTE).admitted


def test_workers_whose_clocks_differ_a_little_get_no_request_for_free(counter: Any) -> None:
    assert sum(counter.take("user", "10/minute", NOW + skew).admitted for skew in (5, 0, -900, 3, -2000) * 4) == 10


def test_giving_back_undoes_one_take(counter: Any) -> None:
    assert counter.admitted(3, "user", "2/minute,5/hour", NOW) == 2
    counter.give_back("user", "2/minute,5/hour", NOW)
    assert counter.take("user", "2/minute,5/hour", NOW) == Verdict(True, ((0, 60), (3, 3600)))
    assert not counter.take("user", "2/minute,5/hour", NOW).admitted


def test_giving_back_leaves_a_window_alone_that_started_since(counter: Any) -> None:
    counter.take("user", "2/minute,5/hour", NOW)
    counter.take("user", "2/minute,5/hour", NOW + MINUTE)
    counter.give_back("user", "2/minute,5/hour", NOW)
    assert counter.take("user", "2/minute,5/hour", NOW + MINUTE).left == ((0, 60), (3, 3540))


def test_giving_back_leaves_windows_alone_that_are_not_in_the_limit(counter: Any) -> None:
    assert counter.admitted(2, "user", "5/minute,9/hour", NOW) == 2
    counter.give_back("user", "5/minute", NOW)
    assert counter.take("user", "5/minute,9/hour", NOW).left == ((3, 60), (6, 3600))


def test_giving_back_what_was_never_taken_gives_nothing(counter: Any) -> None:
    counter.give_back("user", "2/minute", NOW)
    counter.take("user", "2/minute", NOW)
    for _ in range(5):
        counter.give_back("user", "2/minute", NOW)
    assert counter.admitted(9, "user", "2/minute", NOW) == 2


class Killed(Exception):
    pass


class Dying(list[int]):
    """Numbers whose writer is killed before its next store, once it has made so many."""

    stores = 1_000_000

    def __setitem__(self, at: Any, value: Any) -> None:
        if self.stores == 0:
            raise Killed
        self.stores -= 1
        super().__setitem__(at, value)


def take(cells: Dying, limit: Limit, now: int) -> Verdict:
    left: list[tuple[int, int]] = []
    starts: list[tuple[int, int]] = []
    return settle(cells, left, starts, look(cells, 0, limit, now, left, starts))


def admitted_after(kill: int, earlier: int, step: int, then: Limit) -> int:
    """What others admit after a writer who was killed before its `kill`th store."""
    cells = Dying([0] * 12)
    for _ in range(earlier):
        take(cells, Limit.parse("5/minute,9/hour"), NOW)
    cells.stores = kill
    with contextlib.suppress(Killed):
        take(cells, then, NOW + step)
    cells.stores = 1_000_000
    # One of them has a clock that is a millisecond behind: for it an old window may still run, and must not be found
    # emptied.
    taken = sum(take(cells, then, NOW + step + skew).admitted for skew in (-1000, 0, 1000) for _ in range(20))
    afresh = take(cells, then, NOW + step + 2 * HOUR)
    assert afresh.left == tuple((window.calls - 1, window.seconds) for window in then)
    return taken


def test_a_writer_killed_at_any_store_costs_one_request_at_most_and_gives_none() -> None:
    """What others admit next lies between what they would have admitted had it counted, and had it never come."""
    limits = [Limit.parse(text) for text in ("5/minute,9/hour", "5/hour,3/30s", "4/minute")]
    steps = (0, 1, MINUTE - 1, MINUTE, HOUR, -MINUTE)
    for then, step, earlier in itertools.product(limits, steps, (0, 1, 3, 5)):
        least, most = admitted_after(1_000_000, earlier, step, then), admitted_after(0, earlier, step, then)
        for stores in range(8):
            found = admitted_after(stores, earlier, step, then)
            assert least <= found <= most, f"killed before store {stores}, {step} µs after {earlier} requests, {then}"


def test_a_slot_that_changes_hands_is_idle_in_between() -> None:
    for stores in range(5):
        cells = Dying([0] * 12)
        for _ in range(3):
            take(cells, Limit.parse("5/minute,9/hour"), NOW)
        cells.stores = stores
        with contextlib.suppress(Killed):
            clear(cells, 0)
        cells.stores = 1_000_000
        clear(cells, 0)
        assert take(cells, Limit.parse("5/minute,9/hour"), NOW).left == ((4, 60), (8, 3600))


def test_looking_counts_nothing_and_tells_what_the_next_request_would_find(counter: Any) -> None:
    limit = "3/minute,5/hour"
    assert counter.peek("user", limit, NOW) == ((3, 60), (5, 3600)), "of somebody who was never here"
    counter.take("user", limit, NOW)
    for _ in range(9):
        assert counter.peek("user", limit, NOW + 30 * SECOND) == ((2, 30), (4, 3570))
    assert counter.admitted(9, "user", limit, NOW + 30 * SECOND) == 2
    assert counter.peek("user", limit, NOW + 30 * SECOND) == ((0, 30), (2, 3570))
    assert counter.peek("user", limit, NOW + MINUTE - 1) == ((0, 1), (2, 3541))
    assert counter.peek("user", limit, NOW + MINUTE) == ((3, 60), (2, 3540)), (
        "a window that does not run has all its requests"
    )
    assert counter.peek("user", limit, NOW + HOUR) == ((3, 60), (5, 3600))
    assert counter.peek("other", limit, NOW) == ((3, 60), (5, 3600))
    assert counter.peek("user", "none", NOW) == ()


def test_looking_starts_no_window_and_gives_up_none(counter: Any) -> None:
    counter.take("user", "9/10s,9/minute,9/hour,9/day", NOW)
    assert counter.peek("user", "5/30s", NOW) == ((5, 30),)
    assert counter.take("user", "9/10s,9/minute,9/hour,9/day", NOW).left == ((7, 10), (7, 60), (7, 3600), (7, 86_400))
    assert counter.peek("stranger", "5/minute", NOW) == ((5, 60),)
    assert counter.take("stranger", "5/minute", NOW + 30 * SECOND).left == ((4, 60),)


def test_looking_with_a_lowered_limit_or_a_clock_set_back_stays_within_the_window(counter: Any) -> None:
    assert counter.admitted(5, "user", "5/minute", NOW) == 5
    assert counter.peek("user", "2/minute", NOW) == ((0, 60),)
    assert counter.peek("user", "9/minute", NOW - HOUR) == ((4, 60),)


def test_the_window_that_refuses_is_the_one_to_wait_for_longest(counter: Any) -> None:
    cases = [
        ("2/minute,9/hour", "none", "minute"),
        ("9/minute,2/hour", "none", "hour"),
        ("2/minute,2/hour", "none", "hour"),
        ("2/90s", "none", "90s"),
        ("9/minute", "2/minute", "key-minute"),
        ("2/hour", "2/minute", "hour"),
        ("none", "9/minute,2/hour", "key-hour"),
    ]
    for user, (limit, own, name) in enumerate(cases):
        for _ in range(2):
            assert counter.take(f"user_{user}", limit, NOW, f"user_{user}:key", own).admitted
        verdict = counter.take(f"user_{user}", limit, NOW, f"user_{user}:key", own)
        assert not verdict.admitted
        assert refused_by(Limit.parse(limit), Limit.parse(own), verdict)[0] == name


# ---- how a limit is written


def test_a_limit_is_read_and_written_back() -> None:
    cases = [
        ("100/minute,5000/hour", [(100, 60), (5000, 3600)]),
        ("5000/hour, 100 / Minute", [(100, 60), (5000, 3600)]),
        ("10/30s", [(10, 30)]),
        ("1/second,2/minute,3/hour,4/day", [(1, 1), (2, 60), (3, 3600), (4, 86_400)]),
        ("7/60s", [(7, 60)]),
        ("none", []),
        (" None ", []),
    ]
    for written, windows in cases:
        limit = Limit.parse(written)
        assert limit == tuple(windows), written
        assert Limit.parse(str(limit)) == limit
    assert str(Limit.parse("5/60s,3/90s,9/86400s")) == "5/minute,3/90s,9/day"
    assert str(NO_LIMIT) == "none"


def test_what_is_no_limit_is_refused_with_advice() -> None:
    cases = {
        "Use 100/minute": [
            "",
            "100",
            "100/week",
            "100/minute,",
            "-1/minute",
            "1.5/minute",
            "٣/minute",
            "100/minute,none",
        ],
        "allows 1 to": ["0/minute", "2000000000/minute"],
        "lasts 1 to": ["1/0s", "1/9999999s"],
        "same length": ["1/minute,2/60s"],
        "at most 4": ["1/1s,1/2s,1/3s,1/4s,1/5s"],
    }
    for says, texts in cases.items():
        for written in texts:
            with pytest.raises(ValueError, match=says):
                Limit.parse(written)
