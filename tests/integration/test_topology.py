"""The topology does what it is there for: nodes' queues routed to, absent users' messages kept, nothing else."""

import json

import pika
import pytest

from gridtest.broker import Grid
from gridtest.util import ROOT, wait_for


@pytest.fixture
def channel(grid):
    """The administrator's, with nothing waiting and no node there."""
    connection = grid.connect("admin")
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_purge("grid.offline")
    yield channel
    if channel.is_open:
        channel.queue_delete("grid.node.n1")
    connection.close()


def declare_node(channel, *bindings):
    channel.queue_declare("grid.node.n1", durable=True, arguments={"x-expires": 86400000})
    for exchange, key in bindings:
        channel.queue_bind("grid.node.n1", exchange, key)


def take(channel, queue):
    """(routing key, body) of the next message, None when there is none."""
    method, _, body = channel.basic_get(queue, auto_ack=True)
    return method and (method.routing_key, body)


def take_soon(channel, queue):
    return wait_for(lambda: take(channel, queue), what=f"a message in {queue}")


def test_present_user_gets_both_kinds_of_key(channel):
    declare_node(channel, ("grid.users", "user.7.#"))
    channel.basic_publish("grid.users", "user.7", b"1")
    channel.basic_publish("grid.users", "user.7.n", b"2", mandatory=True)
    assert take(channel, "grid.node.n1") == ("user.7", b"1")
    assert take(channel, "grid.node.n1") == ("user.7.n", b"2")
    assert take(channel, "grid.offline") is None


def test_absent_user_backend_goes_offline_node_is_told(channel):
    declare_node(channel, ("grid.users", "user.7.#"))
    channel.basic_publish("grid.users", "user.8", b"kept", mandatory=True)
    assert take(channel, "grid.offline") == ("user.8", b"kept")
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("grid.users", "user.8.n", b"returned", mandatory=True)
    channel.basic_publish("grid.unrouted", "user.8", b"handed over", mandatory=True)
    assert take(channel, "grid.offline") == ("user.8", b"handed over")
    assert take(channel, "grid.node.n1") is None


def test_absent_room_is_dropped(channel):
    channel.basic_publish("grid.rooms", "room.nobody", b"x")
    assert take(channel, "grid.offline") is None


def test_expired_users_messages_go_offline_and_rooms_do_not(channel):
    declare_node(channel, ("grid.users", "user.7.#"), ("grid.rooms", "room.a"))
    soon = pika.BasicProperties(expiration="1")
    channel.basic_publish("grid.rooms", "room.a", b"room", soon)
    channel.basic_publish("grid.users", "user.7", b"backend", soon)
    channel.basic_publish("grid.users", "user.7.n", b"node", soon)
    assert take_soon(channel, "grid.offline") == ("user.7", b"backend")
    assert take_soon(channel, "grid.offline") == ("user.7.n", b"node")
    assert take(channel, "grid.node.n1") is None
    assert take(channel, "grid.offline") is None


@pytest.mark.parametrize("name", ["grid.node.n1", "grid.node.n1.01KC3AZ0000000000000000000"])
def test_node_queue_obeys_the_policy(grid, channel, name):
    channel.queue_declare(name, durable=True, arguments={"x-expires": 86400000})
    definition = wait_for(lambda: grid.api("GET", "queues", name).get("effective_policy_definition"))
    channel.queue_delete(name)
    assert definition["dead-letter-exchange"] == "grid.expired"
    assert definition["overflow"] == "drop-head"
    assert definition["message-ttl"] < definition["expires"] < 86400000


def test_full_node_queue_drops_its_oldest_to_offline_and_refuses_nobody(grid, channel, tmp_path):
    definitions = json.loads((ROOT / "amqp-topology" / "definitions.json").read_text())
    nodes, = [policy for policy in definitions["policies"] if policy["name"] == "grid-nodes"]
    nodes["definition"]["max-length-bytes"] = 250
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(definitions))
    assert grid.provision("--definitions", file).returncode == 0
    try:
        declare_node(channel, ("grid.users", "user.7.#"))
        for number in range(3):
            channel.basic_publish("grid.users", "user.7", b"%100d" % number)  # raises if it were nacked
        assert take_soon(channel, "grid.offline") == ("user.7", b"%100d" % 0)
        assert take(channel, "grid.node.n1") == ("user.7", b"%100d" % 1)
        assert take(channel, "grid.node.n1") == ("user.7", b"%100d" % 2)
    finally:
        assert grid.provision().returncode == 0


def test_another_prefix_beside_it(grid, channel):
    """Two grids in one virtual host keep to themselves."""
    second = Grid(grid.broker, grid.vhost, prefix="second")
    assert second.provision("--no-accounts", accounts=False).returncode == 0
    assert grid.provision("--check").returncode == 0
    channel.basic_publish("second.users", "user.7", b"x")
    assert take(channel, "second.offline") == ("user.7", b"x")
    assert take(channel, "grid.offline") is None
