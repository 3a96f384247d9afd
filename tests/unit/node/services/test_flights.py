"""How far a download is, as its members' records say it."""

from __future__ import annotations

from image_library.domain.job import JobState
from image_library.domain.progress import Progress
from image_library.domain.store import Download
from image_library.node.services.flights import Flight
from tests.fakes.node_workbench import order


def test_converting_begins_at_nothing_and_not_where_fetching_ended() -> None:
    asked = order()
    fetched = Download(order=asked, state=JobState.VERIFYING, progress=Progress(done=90, total=90, speed=7))
    flight = Flight(key="key", members={asked.job_id: fetched}, state=JobState.VERIFYING)
    assert [d.progress.percent for d in flight.advance(JobState.INSPECTING)] == [100]
    flight.worked = (0, 90)
    assert [d.progress for d in flight.advance(JobState.CONVERTING)] == [Progress(done=0, total=90)]
    flight.worked = (45, 90)
    assert flight.measure(1.0)
    assert flight.members[asked.job_id].progress.percent == 50
