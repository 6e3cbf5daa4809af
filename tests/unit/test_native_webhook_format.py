"""When native deliveries are tried."""

from __future__ import annotations

from earmark.dialects.native import webhook_format
from earmark.settings import Settings


def test_ten_attempts_go_over_about_three_days() -> None:
    native = webhook_format(Settings(webhook_timeout_s=7))
    assert len(native.schedule_s) == 10
    assert native.schedule_s[:3] == (0.0, 5.0, 300.0)
    assert 75 < sum(native.schedule_s) / 3600 < 76
    assert 0 < native.jitter < 1
    assert native.timeout_s == 7
    assert native.honours_retry_after
    assert native.disables_on_gone
