"""A hub that is not there is found out in seconds, and what is cached is read."""

from __future__ import annotations

import logging
import socket

import pytest
from huggingface_hub import constants, is_offline_mode

from app import hub
from app.policy import PretrainedPolicy


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had said that there is no hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "getproxies", dict)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")


def test_a_hub_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        hub.offline_where_unreachable()
    assert not is_offline_mode()


def test_one_that_does_not_is_done_without(closed: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        hub.offline_where_unreachable()
        hub.offline_where_unreachable()
    assert is_offline_mode()
    assert len(caplog.records) == 1
    assert "can't be reached" in caplog.text


def test_behind_a_proxy_nothing_is_tried(closed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "getproxies", lambda: {"https": "http://proxy:3128"})
    hub.offline_where_unreachable()
    assert not is_offline_mode()


def test_a_policy_of_the_hub_is_refused_in_a_line(closed: None) -> None:
    with pytest.raises(ValueError, match=r"no policy could be loaded from 'someone/something': .* cached") as error:
        PretrainedPolicy("someone/something").build()
    assert "\n" not in str(error.value)
