from __future__ import annotations

from pathlib import Path

import pytest

from webui.up import broker


def test_the_path_of_the_socket_must_fit_into_a_socket_address(tmp_path: Path) -> None:
    with pytest.raises(broker.BrokerMissing, match="shorter PORTSIDE_HOME"):
        broker.command(tmp_path / ("x" * 120) / "redis.sock", tmp_path)
