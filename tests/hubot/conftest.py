# SPDX-License-Identifier: Apache-2.0
import pytest

from hubot_bot import closed_port, hubot, installed  # noqa: F401
from hubot_stub import Stub


@pytest.fixture
def stub():
    stub = Stub()
    yield stub
    stub.close()
