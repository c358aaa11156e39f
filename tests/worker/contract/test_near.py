"""Frames by a socket: whole again, however the bytes were cut on their way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract import frames, near
from worker.contract.frames import Frame, OpenSession, OpenStream
from worker.contract.near import JoinNear, OpenNear
from worker.contract.wire import ContractError

FRAMES = st.lists(
    st.builds(
        Frame,
        st.sampled_from([frames.DATA, frames.END, frames.ERROR]),
        st.integers(0, 2),
        st.integers(0, 2**64 - 1),
        st.floats(0, 2e9),
        st.binary(max_size=50),
    ),
    max_size=6,
)


@given(FRAMES, st.lists(st.integers(1, 40)))
def test_frames_come_out_as_they_went_in_wherever_the_bytes_are_cut(batch: list[Frame], cuts: list[int]) -> None:
    data, decoder, found = near.encode(batch), near.Decoder(), []
    for size in [*cuts, len(data)]:
        found += decoder.take(data[:size])
        data = data[size:]
    assert found == batch


@pytest.mark.parametrize("length", [0, frames.HEAD_BYTES - 1, near.FRAME_BYTES + 1, 2**32 - 1])
def test_a_length_that_no_frame_has_is_refused_at_once(length: int) -> None:
    with pytest.raises(ContractError, match="one version"):
        near.Decoder().take(length.to_bytes(4, "little"))


def test_a_request_is_the_one_that_the_broker_carries() -> None:
    request = OpenStream(stream_id="s", source="logs", container_id="c", tail=3, channels=(frames.STDERR,))
    line = near.encode_request(request)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert near.decode_request(line) == request


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"{}\n", b"\xff\n", b'{"stream_id": 1}\n'])
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(ContractError):
        near.decode_request(line)


@pytest.mark.parametrize(
    "request_",
    [
        OpenNear(
            session=OpenSession(session_id="s", source="exec", container_id="c", window_bytes=7),
            parameters={"command": ["sh", "-c", "a\nb"]},
            owner="3 c",
        ),
        JoinNear(session_id="s", owner="3 c", taken=9),
    ],
)
def test_a_request_for_a_session_is_one_line(request_: OpenNear | JoinNear) -> None:
    line = near.encode_session_request(request_)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert near.decode_session_request(line) == request_


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"session": 3, "parameters": {}, "owner": ""}', b"[" * 100_000])
def test_what_is_no_request_for_a_session_is_refused(line: bytes) -> None:
    with pytest.raises(ContractError):
        near.decode_session_request(line)
