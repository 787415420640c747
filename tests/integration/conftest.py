"""Fixtures of the integration tests. What they are made of stands in gridtest/."""

import asyncio
import inspect
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from gridtest.backend import Backend, Offline  # noqa: E402
from gridtest.broker import Broker, Grid  # noqa: E402
from gridtest.client import Clients  # noqa: E402
from gridtest.nodes import Nodes  # noqa: E402

TEST_SECONDS = 180


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests may be coroutines. Fixtures that have an aclose() are closed in the test's own loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def run():
        try:
            async with asyncio.timeout(TEST_SECONDS):
                await pyfuncitem.obj(**arguments)
        finally:
            for value in arguments.values():
                if hasattr(value, "aclose"):
                    await value.aclose()

    asyncio.run(run())
    return True


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One private RabbitMQ for the whole run. A test that stops or breaks it leaves it running and whole."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()  # nobody needs its data any more, and a clean stop takes seconds
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


@pytest.fixture(scope="module")
def module_nodes(tmp_path_factory):
    """Starts nodes that all tests of a module share."""
    nodes = Nodes(tmp_path_factory.mktemp("nodes"))
    yield nodes
    nodes.close()


@pytest.fixture
def nodes(tmp_path_factory):
    """Starts nodes for one test."""
    nodes = Nodes(tmp_path_factory.mktemp("nodes"))
    yield nodes
    nodes.close()


@pytest.fixture
def connect():
    """Opens websockets: `client = await connect(node, "user")`."""
    return Clients()


@pytest.fixture(scope="module")
def backend(grid):
    """A program that publishes with the account of backends."""
    backend = Backend(grid)
    yield backend
    backend.close()


@pytest.fixture
def offline(grid):
    """Takes what is in the offline queue."""
    offline = Offline(grid)
    yield offline
    offline.close()
