"""Whose queue it is: a node id used twice, a ghost of one's own, no topology, no broker."""

import asyncio
import re
import signal

import pytest

from gridtest.tcpproxy import Proxy
from gridtest.util import wait_for

QUICK = {"bus.rabbitmq.heartbeat": "2s", "bus.rabbitmq.reconnect_min": "50ms", "bus.rabbitmq.reconnect_max": "200ms"}


def bindings(grid):
    return sorted((b["source"], b["routing_key"], b["destination"])
                  for b in grid.broker.api("GET", "bindings", grid.vhost))


def error_lines(node):
    return [line for line in node.log.splitlines() if re.search(r"Z error ", line)]


async def test_the_second_of_one_id_exits_and_has_changed_nothing(nodes, grid, connect, backend):
    first = nodes.on(grid, {**QUICK, "node.id": "twice"})
    client = await connect(first, "42")
    await client.join("r")
    before = bindings(grid)

    second = nodes.new_on(grid, {**QUICK, "node.id": "twice"})
    second.log_path = second.log_path.with_name("second.log")
    second.exit_codes = {3}
    second.spawn()
    assert await asyncio.to_thread(second.wait_exit, 60) == 3
    lines = error_lines(second)
    assert len(lines) == 1 and 'node id \\"twice\\" is taken' in lines[0], lines
    said = [line for line in second.log.splitlines() if line.startswith("gridnode: ")]
    assert len(said) == 1 and 'node id "twice" is taken' in said[0], said
    assert bindings(grid) == before

    await asyncio.to_thread(backend.to_user, "42", "still here")
    await client.wait_data("still here", op="notify")
    await asyncio.to_thread(backend.to_room, "r", "and here")
    await client.wait_data("and here")
    assert first.metric("grid_bus_state_changes_total") == 1


async def test_a_node_whose_ghost_still_consumes_gets_through(nodes, grid, broker, connect, backend):
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        node = nodes.on(grid, {**QUICK, "node.id": "ghost"}, address=proxy.address)
        # The process is gone and the broker does not know: its connections stand still behind the proxy.
        proxy.freeze()
        node.kill()
        again = nodes.new_on(grid, {**QUICK, "node.id": "ghost"})
        again.log_path = again.log_path.with_name("again.log")
        again.spawn()
        await asyncio.to_thread(again.wait_log, "bus.id_in_use")
        await asyncio.to_thread(again.wait_ready)
        client = await connect(again, "42")
        await asyncio.to_thread(backend.to_user, "42", "hello")
        await client.wait_data("hello", op="notify")


@pytest.mark.parametrize("kind, name", [("exchanges", "rooms"), ("exchanges", "unrouted"), ("queues", "offline")])
def test_what_is_missing_is_named_with_the_command_that_makes_it(nodes, grid, kind, name):
    full = f"{grid.prefix}.{name}"
    grid.broker.api("DELETE", kind, grid.vhost, full)
    try:
        node = nodes.new_on(grid, QUICK)
        node.exit_codes = {3}
        node.spawn()
        assert node.wait_exit(60) == 3
        lines = error_lines(node)
        assert len(lines) == 1 and full in lines[0] and "scripts/provision --url " in lines[0], lines
        assert f"{grid.prefix}.node.{node.id}" not in [q["name"] for q in grid.broker.api("GET", "queues", grid.vhost)]
    finally:
        assert grid.provision().returncode == 0
    node = nodes.new_on(grid, QUICK).start()
    assert node.ready()


async def test_a_node_that_starts_before_its_broker_waits_and_says_so(nodes, grid, broker, connect):
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        proxy.refuse()
        node = nodes.new_on(grid, QUICK, address=proxy.address).spawn()
        await asyncio.to_thread(node.wait_log, r"warn bus\.waiting .*refused")
        await asyncio.to_thread(node.wait_log, r"info node\.listening")
        status, why = await asyncio.to_thread(node.get, "/readyz")
        assert status == 503 and "bus" in why
        assert (await asyncio.to_thread(node.get, "/healthz"))[0] == 200
        early = await connect.open(node, "42")
        bye = await early.wait_for("bye")
        assert bye["code"] == "unavailable" and bye["retry_ms"] > 0
        assert await early.wait_closed() == 1013
        proxy.accept()
        await asyncio.to_thread(node.wait_ready)
        client = await connect(node, "42")
        await client.join("r")


async def test_a_wrong_password_is_said_and_waited_out(nodes, grid):
    node = nodes.new_on(grid, QUICK, environment={"GRIDNODE_BUS_RABBITMQ_PASSWORD": "wrong"}).spawn()
    await asyncio.to_thread(wait_for, lambda: error_lines(node), 30, "an error in the log")
    assert re.search("login|password|refused", error_lines(node)[0]), error_lines(node)
    assert node.running() and not node.ready()


async def test_a_password_from_a_file_read_at_every_login(nodes, grid, broker, connect, tmp_path):
    """The file wins over the option, and its first line is the password. A new one needs no restart."""
    path = tmp_path / "password"
    path.write_text("not it\n")
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        node = nodes.new_on(grid, {**QUICK, "bus.rabbitmq.password_file": path}, address=proxy.address).spawn()
        await asyncio.to_thread(node.wait_log, "error bus.waiting")
        assert not node.ready()
        path.write_text(grid.password("node") + "\nsecond line\n")
        await asyncio.to_thread(node.wait_ready)
        proxy.cut()
        await asyncio.to_thread(wait_for, lambda: proxy.accepted >= 4 and node.ready(), 30)
        await connect(node, "42")
    assert grid.password("node") not in node.log and "not it" not in node.log


async def test_a_setting_on_the_command_line_wins_over_the_environment(nodes, grid, connect):
    """By what it does: the environment names a virtual host that is not there."""
    environment = {"GRIDNODE_BUS_RABBITMQ_VHOST": "not-there", "GRIDNODE_LOG_LEVEL": "error"}
    node = nodes.on(grid, QUICK, environment=environment)
    await connect(node, "42")
    assert node.log == ""  # and what only the environment says holds


def test_a_virtual_host_that_is_not_there_is_named_with_the_command_that_makes_it(nodes, grid):
    node = nodes.new_on(grid, {**QUICK, "bus.rabbitmq.vhost": "not-there"}).spawn()
    node.wait_log(r"error bus\.waiting .*not-there.*scripts/provision")
    assert node.running() and not node.ready()


# Stopping with a broker that does not help


@pytest.mark.parametrize("how", ["well", "cut", "frozen", "never there"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_stops_whatever_the_broker_does(nodes, grid, broker, connect, how, signum):
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        node = nodes.new_on(grid, QUICK, address=proxy.address)
        if how == "never there":
            proxy.refuse()
            node.spawn()
            await asyncio.to_thread(node.wait_log, "bus.waiting")
        else:
            await asyncio.to_thread(node.start)
            client = await connect(node, "42")
            await client.join("r")
        if how == "cut":
            proxy.refuse()
            proxy.cut()
            await asyncio.to_thread(wait_for, lambda: not node.ready(), 30)
        elif how == "frozen":
            proxy.freeze()
            for i in range(10):
                await client.ask("publish", room="r", data=i)
        assert await asyncio.to_thread(node.stop, signum, 20) == 0
        if how != "never there":
            assert await client.wait_closed() == 1012
            bye = client.got("bye")[0]
            assert bye["code"] == "drain" and bye["retry_ms"] > 0
        proxy.thaw()
    if how == "well":
        queue = grid.api("GET", "queues", f"{grid.prefix}.node.{node.id}")
        assert queue is None or queue.get("consumers", 0) == 0
