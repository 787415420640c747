"""Fixtures of the integration tests. What they are made of stands in gridtest/."""

import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from gridtest.broker import Broker, Grid  # noqa: E402


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One private RabbitMQ for the whole run. A test that stops or breaks it leaves it running and whole."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def grid(broker, request):
    """A provisioned virtual host of this module's own."""
    grid = Grid(broker, re.sub(r"\W", "-", request.module.__name__))
    grid.create()
    yield grid
    grid.delete()


@pytest.fixture(scope="module")
def vhost(grid):
    """Its name."""
    return grid.vhost
