"""What each account may do on the broker, and above all what it must not: tried, not read."""

import base64
import http.client

import pika
import pytest

NODE_ARGUMENTS = {"x-expires": 86400000}


@pytest.fixture(scope="module", autouse=True)
def queues(grid):
    """Things to try one's hands at: a node's queue, a worker's, a service's, and one of somebody else."""
    with grid.connect("admin") as connection:
        channel = connection.channel()
        channel.queue_declare("grid.node.other", durable=True, arguments=NODE_ARGUMENTS)
        for name in ("grid.worker.other", "grid.service.other", "stranger"):
            channel.queue_declare(name, durable=True)


def declare(queue, **arguments):
    return lambda channel: channel.queue_declare(queue, durable=True, arguments=arguments or None)


def passive(queue):
    return lambda channel: channel.queue_declare(queue, passive=True)


def passive_exchange(exchange):
    return lambda channel: channel.exchange_declare(exchange, passive=True)


def new_exchange(exchange):
    return lambda channel: channel.exchange_declare(exchange, "topic")


def delete_exchange(exchange):
    return lambda channel: channel.exchange_delete(exchange)


def delete(queue):
    return lambda channel: channel.queue_delete(queue)


def purge(queue):
    return lambda channel: channel.queue_purge(queue)


def get(queue):
    return lambda channel: channel.basic_get(queue, auto_ack=False)


def consume(queue):
    return lambda channel: channel.basic_consume(queue, lambda *_: None, exclusive=True)


def bind(queue, exchange, key):
    return lambda channel: channel.queue_bind(queue, exchange, key)


def bind_exchange(destination, source):
    return lambda channel: channel.exchange_bind(destination, source, "#")


def publish(exchange, key, user_id=None):
    return lambda channel: channel.basic_publish(exchange, key, b"{}", pika.BasicProperties(user_id=user_id))


def steps(*actions):
    def run(channel):
        for action in actions:
            action(channel)
    return run


def attempt(grid, role, action):
    """None when it was allowed, else what the broker said."""
    connection = grid.connect(role)
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        action(channel)
        return None
    except pika.exceptions.ChannelClosedByBroker as closed:
        return f"{closed.reply_code} {closed.reply_text}"
    finally:
        if connection.is_open:
            connection.close()


MAY = [
    ("node", "declare, bind and consume its queue",
     steps(declare("grid.node.n1", **NODE_ARGUMENTS), bind("grid.node.n1", "grid.users", "user.7.#"),
           bind("grid.node.n1", "grid.rooms", "room.a.b"), bind("grid.node.n1", "grid.nodes", "node.n1"),
           bind("grid.node.n1", "grid.nodes", "all"), consume("grid.node.n1"))),
    ("node", "unbind", lambda channel: channel.queue_unbind("grid.node.other", "grid.users", "user.7.#")),
    ("node", "delete its queue", steps(declare("grid.node.n2", **NODE_ARGUMENTS), delete("grid.node.n2"))),
    ("node", "declare, bind, consume and delete the one it falls back to",
     steps(declare("grid.node.n1.01KC3AZ0000000000000000000", **NODE_ARGUMENTS),
           bind("grid.node.n1.01KC3AZ0000000000000000000", "grid.users", "user.7.#"),
           consume("grid.node.n1.01KC3AZ0000000000000000000"), delete("grid.node.n1.01KC3AZ0000000000000000000"))),
    ("node", "an exclusive queue instead",
     lambda channel: channel.queue_declare("grid.node.n3", exclusive=True)),
    ("node", "look whether all is there",
     steps(passive("grid.offline"), *[passive_exchange(f"grid.{name}") for name in (
         "users", "rooms", "nodes", "events", "rpc", "unrouted", "expired")])),
    ("node", "publish", steps(publish("grid.users", "user.7.n"), publish("grid.rooms", "room.a"),
                              publish("grid.nodes", "node.n1.epoch"), publish("grid.events", "session.connected"),
                              publish("grid.rpc", "rpc.echo"), publish("grid.unrouted", "user.7"))),
    ("node", "say who it is", publish("grid.users", "user.7.n", user_id="grid-node")),
    ("publisher", "publish to users and rooms",
     steps(publish("grid.users", "user.42"), publish("grid.users", "user.%23"), publish("grid.users", "user.a-b_C"),
           publish("grid.users", "user." + "%C3%BC" * 33), publish("grid.rooms", "room.lobby"),
           publish("grid.rooms", "room.eu.lobby.%2A"))),
    ("operator", "publish to users, rooms and nodes",
     steps(publish("grid.users", "user.42"), publish("grid.rooms", "room.lobby"), publish("grid.nodes", "all"),
           publish("grid.nodes", "node.host-5210"))),
    ("operator", "delete a dead node's queue", steps(declare("grid.node.dead"), delete("grid.node.dead"))),
    ("operator", "delete one that a node has left",
     delete("grid.node.dead.01KC3AZ0000000000000000000")),
    ("operator", "look into the offline queue", get("grid.offline")),
    ("worker", "empty the offline queue", consume("grid.offline")),
    ("worker", "bind a queue of its own to events",
     steps(declare("grid.worker.push"), bind("grid.worker.push", "grid.events", "session.#"),
           consume("grid.worker.push"))),
    ("service", "serve calls and answer them",
     steps(declare("grid.service.echo"), bind("grid.service.echo", "grid.rpc", "rpc.echo"),
           consume("grid.service.echo"), publish("", "grid.node.other"))),
]

MUST_NOT = [
    *[("node", f"delete {queue}", delete(queue)) for queue in ("grid.offline", "grid.worker.other", "stranger")],
    *[("node", f"read {queue}", get(queue)) for queue in ("grid.offline", "grid.worker.other", "grid.service.other")],
    ("node", "make an offline queue", declare("grid.nodes.queue")),
    ("node", "make a queue no node can have", declare("grid.node.a.b")),
    ("node", "make one of another kind", declare("grid.node.a.01KC3AZ0000000000000000000.b")),
    ("node", "make an exchange", new_exchange("grid.audit")),
    ("node", "make grid.users anew", new_exchange("grid.users")),
    ("node", "delete grid.users", delete_exchange("grid.users")),
    ("node", "publish to grid.expired", publish("grid.expired", "user.7")),
    ("node", "publish to a queue by name", publish("", "grid.offline")),
    ("node", "publish to amq.topic", publish("amq.topic", "x")),
    ("node", "listen to events", bind("grid.node.other", "grid.events", "#")),
    ("node", "listen to calls", bind("grid.node.other", "grid.rpc", "#")),
    ("node", "bind exchanges", bind_exchange("grid.users", "grid.events")),
    ("node", "pass for another", publish("grid.users", "user.7.n", user_id="grid-publisher")),

    *[("publisher", f"publish to grid.{name}", publish(f"grid.{name}", key)) for name, key in (
        ("nodes", "all"), ("events", "x"), ("rpc", "rpc.echo"), ("unrouted", "user.7"), ("expired", "user.7"))],
    *[("publisher", f"publish to users with {key}", publish("grid.users", key)) for key in (
        "user.42.n", "user.", "user", "42", "User.42", "user.a@b", "user.ü", "user.#", "user.*", "user.%2",
        "user.%c3", "user.7\n", "user.7 ")],
    *[("publisher", f"publish to rooms with {key}", publish("grid.rooms", key)) for key in (
        "room", "room.", "room..a", "room.a.", "room.#", "room.a b", "lobby")],
    ("publisher", "pass for a node", publish("grid.users", "user.7", user_id="grid-node")),
    ("publisher", "publish to a queue by name", publish("", "grid.node.other")),
    *[("publisher", f"read {queue}", get(queue)) for queue in ("grid.offline", "grid.node.other", "stranger")],
    ("publisher", "make a queue", declare("mine")),
    ("publisher", "make a node's queue", declare("grid.node.mine")),
    ("publisher", "make a queue with a name of the broker's", declare("")),
    ("publisher", "purge", purge("grid.node.other")),
    ("publisher", "delete a node's queue", delete("grid.node.other")),
    ("publisher", "bind exchanges", bind_exchange("grid.users", "grid.rooms")),
    ("publisher", "make an exchange", new_exchange("mine")),
    ("publisher", "delete grid.rooms", delete_exchange("grid.rooms")),

    *[("operator", f"publish to grid.{name}", publish(f"grid.{name}", key)) for name, key in (
        ("events", "x"), ("rpc", "rpc.echo"), ("unrouted", "user.7"), ("expired", "user.7"),
        ("users", "user.42.n"), ("rooms", "lobby"), ("nodes", "node.n1.epoch"), ("nodes", "everyone"))],
    ("operator", "read a node's messages", get("grid.node.other")),
    ("operator", "listen in", bind("grid.node.other", "grid.rooms", "#")),
    ("operator", "delete the offline queue", delete("grid.offline")),
    ("operator", "delete a worker's queue", delete("grid.worker.other")),
    ("operator", "delete an exchange", delete_exchange("grid.users")),
    ("operator", "make a queue", declare("mine")),

    *[("worker", f"publish to grid.{name}", publish(f"grid.{name}", "user.7")) for name in (
        "users", "rooms", "nodes", "events", "rpc", "unrouted", "expired")],
    ("worker", "publish to a queue by name", publish("", "grid.node.other")),
    *[("worker", f"bind to grid.{name}", bind("grid.worker.other", f"grid.{name}", "#")) for name in (
        "users", "rooms", "nodes", "rpc", "unrouted", "expired")],
    ("worker", "read a node's messages", get("grid.node.other")),
    ("worker", "read a service's calls", get("grid.service.other")),
    ("worker", "delete the offline queue", delete("grid.offline")),
    ("worker", "bind the offline queue", bind("grid.offline", "grid.events", "#")),
    ("worker", "make a node's queue", declare("grid.node.mine")),

    *[("service", f"publish to grid.{name}", publish(f"grid.{name}", "user.7")) for name in (
        "users", "rooms", "nodes", "events", "rpc", "unrouted", "expired")],
    *[("service", f"bind to grid.{name}", bind("grid.service.other", f"grid.{name}", "#")) for name in (
        "users", "rooms", "nodes", "events", "unrouted", "expired")],
    *[("service", f"read {queue}", get(queue)) for queue in ("grid.offline", "grid.node.other", "grid.worker.other")],
    ("service", "make a node's queue", declare("grid.node.mine")),
    ("service", "pass for a node", publish("", "grid.node.other", user_id="grid-node")),
]


def name_of(value):
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize("role, what, action", MAY, ids=name_of)
def test_may(grid, role, what, action):
    assert attempt(grid, role, action) is None


@pytest.mark.parametrize("role, what, action", MUST_NOT, ids=name_of)
def test_must_not(grid, role, what, action):
    said = attempt(grid, role, action)
    assert said and (said.startswith("403 ACCESS_REFUSED") or "user_id property set to" in said), said


@pytest.mark.parametrize("role", ["node", "publisher", "worker", "service"])
def test_no_management(grid, role):
    assert management_status(grid, role, "/api/overview") == 401


@pytest.mark.parametrize("path", ["/api/overview", "/api/queues/{}", "/api/exchanges/{}/grid.users/bindings/source",
                                  "/api/connections", "/api/nodes"])
def test_operator_sees(grid, path):
    assert management_status(grid, "operator", path.format(grid.vhost)) == 200


@pytest.mark.parametrize("path", ["/api/users", "/api/definitions", "/api/permissions"])
def test_operator_does_not_see(grid, path):
    assert management_status(grid, "operator", path) == 401


def management_status(grid, role, path):
    login = base64.b64encode(f"{grid.account(role)}:{grid.password(role)}".encode()).decode()
    connection = http.client.HTTPConnection(grid.broker.host, grid.broker.management_port, timeout=30)
    connection.request("GET", path, headers={"Authorization": "Basic " + login})
    status = connection.getresponse().status
    connection.close()
    return status
