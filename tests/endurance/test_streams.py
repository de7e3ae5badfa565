"""Streams that are cut at any byte: the official SDK takes none for complete that is not."""

from bench.endurance.streams import cut_streams, dying_upstreams


async def test_a_cut_stream_never_looks_complete_to_the_sdk():
    told = await cut_streams(250)
    assert told.violations == []
    assert told.calls == 250
    assert 0 < told.figures["whole"] < 100


async def test_a_stream_from_an_upstream_that_is_killed_never_looks_complete_to_the_sdk():
    told = await dying_upstreams(150)
    assert told.violations == []
    assert told.calls == 150
    assert told.figures["killed"] > 0
    assert told.figures["raised APIError"] > 0
