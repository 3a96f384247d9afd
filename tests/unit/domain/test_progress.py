"""Speed and time left, whatever work does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.progress import LONGEST_ETA_SECONDS, SpeedMeter

MIB = 1 << 20


def test_work_that_starts_over_is_measured_from_there_on() -> None:
    meter = SpeedMeter()
    meter.measure(now=0, done=0, total=100 * MIB)
    assert meter.measure(now=1, done=100 * MIB, total=100 * MIB).speed == 100 * MIB
    assert meter.measure(now=2, done=0, total=100 * MIB).speed == 0
    again = meter.measure(now=3, done=50 * MIB, total=100 * MIB)
    assert (again.speed, again.eta_seconds) == (50 * MIB, 1)


def test_what_hardly_moves_has_no_time_left() -> None:
    meter = SpeedMeter()
    meter.measure(now=0, done=0, total=8 << 30)
    assert meter.measure(now=1, done=1, total=8 << 30).eta_seconds == 0


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.integers(0, 2**50), st.integers(0, 2**50)), min_size=1, max_size=20
    )
)
def test_no_number_is_ever_negative(samples: list[tuple[float, int, int]]) -> None:
    meter, now = SpeedMeter(), 0.0
    for pause, done, total in samples:
        now += pause
        progress = meter.measure(now=now, done=done, total=total)
        assert 0 <= progress.speed < 2**64
        assert 0 <= progress.eta_seconds <= LONGEST_ETA_SECONDS
        assert 0 <= progress.percent <= 100
