from __future__ import annotations

import threading
import time

import pytest

from earmark.errors import InvalidOption
from earmark.service._limits import RateLimits
from earmark.settings import Settings


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(Settings())


def test_requests_pass_up_to_the_limit_and_no_further(limits: RateLimits) -> None:
    found = [limits.hit("a", "/jobs", "3/hour") for _ in range(5)]
    assert [each.allowed for each in found] == [True, True, True, False, False]
    assert [each.remaining for each in found] == [2, 1, 0, 0, 0]
    assert {each.limit for each in found} == {3}
    assert len({each.reset_at for each in found}) == 1
    assert [each.retry_after_s > 0 for each in found] == [False, False, False, True, True]
    assert found[-1].reset_at == pytest.approx(time.time() + found[-1].retry_after_s, abs=60)


def test_each_key_and_route_is_counted_by_itself(limits: RateLimits) -> None:
    assert limits.hit("a", "/jobs", "1/hour").allowed
    assert not limits.hit("a", "/jobs", "1/hour").allowed
    assert limits.hit("b", "/jobs", "1/hour").allowed
    assert limits.hit("a", "/media", "1/hour").allowed
    assert limits.hit("a/jobs", "", "1/hour").allowed


def test_a_new_window_begins(limits: RateLimits) -> None:
    assert limits.hit("a", "/jobs", "1/second").allowed
    deadline = time.monotonic() + 10
    while not limits.hit("a", "/jobs", "1/second").allowed:
        assert time.monotonic() < deadline


def test_threads_share_one_count(limits: RateLimits) -> None:
    allowed: list[bool] = []

    def ask() -> None:
        for _ in range(50):
            allowed.append(limits.hit("a", "/jobs", "120/hour").allowed)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), sum(allowed)) == (200, 120)


def test_what_cannot_be_a_limit_is_told(limits: RateLimits) -> None:
    with pytest.raises(InvalidOption, match="'often' is no rate limit"):
        limits.hit("a", "/jobs", "often")


@pytest.mark.parametrize(
    "name", ["rate_limit", "pyannoteai_rate_limit_submit", "pyannoteai_rate_limit_read"]
)
def test_a_setting_that_cannot_be_a_limit_is_named(name: str) -> None:
    limits = RateLimits(Settings.model_validate({name: "often"}))
    with pytest.raises(InvalidOption, match=f"EARMARK_{name.upper()}: 'often' is no rate limit"):
        limits.check()


def test_what_cannot_be_a_storage_is_told() -> None:
    with pytest.raises(InvalidOption, match="EARMARK_RATE_LIMIT_STORAGE='abacus://'"):
        RateLimits(Settings(rate_limit_storage="abacus://")).check()
