"""Two nodes and a broker: who gets what, what is bound, and where messages for absent users go."""

import asyncio
import subprocess

import pytest

from gridtest.backend import Rabbitmqadmin
from gridtest.client import TIMEOUT
from gridtest.util import wait_for

SETTINGS = {"linger.user": "500ms", "linger.room": "1s", "limits.rooms": 2000}


@pytest.fixture(scope="module")
def n1(module_nodes, grid):
    return module_nodes.on(grid, SETTINGS)


@pytest.fixture(scope="module")
def n2(module_nodes, grid):
    return module_nodes.on(grid, SETTINGS)


@pytest.fixture(scope="module")
def rabbitmqadmin(grid, tmp_path_factory):
    return Rabbitmqadmin(grid, tmp_path_factory.mktemp("rabbitmqadmin"))


# One room on two nodes


async def test_pipelined_messages_arrive_once_in_order_with_one_id(n1, n2, connect):
    count = 2000
    clients = [await connect(n1, "p1"), await connect(n2, "p2")]
    for client in clients:
        await client.join("pipeline")
    asked = {}
    for i in range(count):
        for client in clients:
            asked[client, i] = await client.ask("publish", room="pipeline", data=[client.welcome["user"], i])
    for client in clients:
        await client.until(lambda: len(client.data()) >= 2 * count, 120)
        await client.sync()
    for sender in clients:
        user = sender.welcome["user"]
        answers = [await asked[sender, i] for i in range(count)]
        assert {answer["op"] for answer in answers} == {"ok"}
        for receiver in clients:
            messages = receiver.got("message", **{"from": user})
            assert [frame["data"] for frame in messages] == [[user, i] for i in range(count)]
            assert [frame["id"] for frame in messages] == [answer["id"] for answer in answers]
            assert [frame["ts"] for frame in messages] == [answer["ts"] for answer in answers]


async def test_everyone_gets_the_same_bytes(n1, n2, connect):
    clients = [await connect(node, f"same{i}") for i in range(2) for node in (n1, n2)]
    for client in clients:
        await client.join("same")
    await clients[0].publish(room="same", data={"a": 1.0}, type="t", id="same-1")
    texts = {(await client.wait_for("message")).text for client in clients}
    assert len(texts) == 1


async def test_no_echo_across_nodes(n1, n2, connect):
    here, twin, there = await connect(n1, "ne"), await connect(n1, "ne"), await connect(n2, "ne2")
    for client in (here, twin, there):
        await client.join("ne")
    await here.publish(room="ne", data=1, echo=False)
    await here.publish(room="ne", data=2)
    for client in (here, twin, there):
        await client.wait_data(2)
    assert [client.data() for client in (here, twin, there)] == [[2], [1, 2], [1, 2]]


# From backends


async def test_rabbitmqadmin_reaches_every_session_of_a_user_and_nobody_else(n1, n2, connect, rabbitmqadmin):
    his = [await connect(n1, "42"), await connect(n1, "42"), await connect(n2, "42")]
    others = [await connect(node, user) for node in (n1, n2) for user in ("4", "421", "42.n", "42.1", "*", "#")]
    for i, body in enumerate(['{"hi" : 1.0}', '[ "ü" ]']):
        rabbitmqadmin.publish("users", "user.42", body)
        for client in his:
            await client.until(lambda: len(client.got("notify")) > i)
            push = client.got("notify")[i]
            assert push.text.endswith(',"type":"message","data":' + body + "}"), push.text
            assert "id" not in push and "from" not in push and "app" not in push
    for client in others:
        await client.sync()
        assert not client.got("notify")


async def test_amqp_publish_reaches_a_user_and_a_room(n1, n2, grid, connect):
    clients = [await connect(n1, "43"), await connect(n2, "43")]
    for client in clients:
        await client.join("lobby")

    def amqp_publish(*arguments):
        subprocess.run(["amqp-publish", f"--url={grid.amqp_uri('publisher')}", *arguments], check=True, timeout=60)
    amqp_publish("-e", f"{grid.prefix}.users", "-r", "user.43", "-C", "application/json", "-b", '{"text":"hello"}')
    amqp_publish("-e", f"{grid.prefix}.rooms", "-r", "room.lobby", "-b", "no JSON at all")
    for client in clients:
        assert (await client.wait_for("notify"))["data"] == {"text": "hello"}
        message = await client.wait_for("message")
        assert message["text"] == "no JSON at all" and message["room"] == "lobby" and "data" not in message


async def test_a_notification_published_the_moment_welcome_arrives(n1, n2, backend, connect):
    clients = []
    for i in range(200):
        client = await connect((n1, n2)[i % 2], f"w{i}")
        backend.to_user(f"w{i}", i)
        clients.append(client)
    for i, client in enumerate(clients):
        assert (await client.wait_for("notify"))["data"] == i


async def test_properties_of_a_backend(n1, n2, backend, connect):
    clients = [await connect(n1, "props"), await connect(n2, "props")]
    backend.to_user("props", {"n": 1}, message_id="inv-7", timestamp=1790000000, type="invoice.paid", app_id="billing",
                    content_type="application/json", headers={"x": "y"})
    backend.to_user("props", {"n": 2}, timestamp=1, headers={"ts": 1790000000123})
    for client in clients:
        await client.wait_data({"n": 1}, {"n": 2}, op="notify")
        first, second = client.got("notify")
        assert first == {"op": "notify", "id": "inv-7", "ts": 1790000000000, "app": "billing", "type": "invoice.paid",
                         "data": {"n": 1}}
        assert second == {"op": "notify", "ts": 1790000000123, "type": "message", "data": {"n": 2}}


async def test_a_backend_cannot_pretend_to_be_a_user_or_the_grid(n1, n2, grid, backend, connect):
    clients = [await connect(n1, "victim"), await connect(n2, "victim")]
    for client in clients:
        await client.join("victims")
    session = clients[0].session
    forged = {"from": "admin", "session": session, "origin": "n9.X", "seq": 1, "echo": False}
    backend.to_room("victims", 1, headers=forged)
    backend.to_room("victims", 2, headers=forged, user_id=grid.account("publisher"))
    backend.to_user("victim", 3, headers=forged, app_id="evil")
    for kind in ("grid.kick", "receipt", "presence"):
        backend.to_room("victims", 4, type=kind)
    backend.to_room("victims", 5, message_id="x" * 65)
    backend.to_room("victims", 6, message_id="fine")
    for client in clients:
        await client.wait_data(6)
        for push in client.got("message") + client.got("notify"):
            assert "from" not in push and push["type"] == "message", push
        assert [frame["data"] for frame in client.got("message") if frame["data"] != 4] == [1, 2, 5, 6]
        assert [frame.get("id") for frame in client.got("message")][-2:] == [None, "fine"]
        assert client.got("notify")[0]["app"] == "evil"


# What is bound


async def test_the_broker_shows_who_is_present_and_no_others(n1, n2, connect, rabbitmqadmin):
    prefix = "present"

    def mine():
        return {(source, key, queue) for source, key, queue in rabbitmqadmin.bindings()
                if source in ("users", "rooms") and prefix in key}
    q1, q2 = f"grid.node.{n1.id}", f"grid.node.{n2.id}"
    a1, a2 = await connect(n1, "present-a"), await connect(n2, "present-a")
    b = await connect(n1, "present-b")
    await a1.join("present.x")
    await a2.join("present.x", "present.y")
    await b.join("present.x")
    everything = {("users", "user.present-a.#", q1), ("users", "user.present-a.#", q2),
                  ("users", "user.present-b.#", q1), ("rooms", "room.present.x", q1), ("rooms", "room.present.x", q2),
                  ("rooms", "room.present.y", q2)}
    assert mine() == everything
    await b.close()
    await a2.ok("leave", room="present.y")
    assert mine() <= everything  # lingering, or not any more
    left = {("users", "user.present-a.#", q1), ("users", "user.present-a.#", q2), ("rooms", "room.present.x", q1),
            ("rooms", "room.present.x", q2)}
    wait_for(lambda: mine() == left, what=f"only {left} bound", interval=0.2)


async def test_all_bindings_are_of_nodes(n1, n2, rabbitmqadmin):
    of_nodes = {("nodes", key, f"grid.node.{node.id}") for node in (n1, n2) for key in ("all", f"node.{node.id}")}
    found = rabbitmqadmin.bindings()
    assert of_nodes <= found
    fixed = {("unrouted", "user.*", "grid.offline"), ("expired", "user.#", "grid.offline")}
    for source, key, queue in found - fixed:
        assert queue in (f"grid.node.{n1.id}", f"grid.node.{n2.id}"), (source, key, queue)
    # And one of each for this life of a node.
    assert len([key for source, key, _ in found - of_nodes if source == "nodes"]) == 2


async def test_a_room_lingers_and_is_not_bound_again_meanwhile(nodes, grid, connect):
    node = nodes.on(grid, {"node.id": "lingerer", "linger.room": "1h"})
    client = await connect(node, "lingerer")
    await client.join("lingering")
    binds = node.metric("grid_bus_binds_total")
    await client.ok("leave", room="lingering")
    await client.join("lingering")
    assert node.metric("grid_bus_binds_total") == binds
    assert ("grid.node.lingerer", "room.lingering") in grid.bindings_of("rooms")
    await client.ok("leave", room="lingering")
    await client.sync()
    assert ("grid.node.lingerer", "room.lingering") in grid.bindings_of("rooms")


async def test_a_node_with_nobody_in_a_room_receives_nothing_for_it(n1, n2, backend, connect, rabbitmqadmin):
    inside, outside = await connect(n1, "inside"), await connect(n2, "outside")
    await inside.join("counted")
    await outside.join("other")
    before = n1.metric("grid_bus_messages_total"), n2.metric("grid_bus_messages_total")
    for i in range(50):
        backend.to_room("counted", i)
        backend.to_user("inside", i)
        await outside.publish(room="counted", data=i)
        await outside.publish(user="inside", data=i)
    for _ in range(3):
        rabbitmqadmin.publish("rooms", "room.counted", '"by hand"')
    await inside.until(lambda: len(inside.data()) == 103 and len(inside.data("notify")) == 100)
    after = n1.metric("grid_bus_messages_total"), n2.metric("grid_bus_messages_total")
    assert (after[0] - before[0], after[1] - before[1]) == (203, 0)


# Absent users


async def test_a_message_to_a_user_who_is_nowhere(n1, connect, offline):
    client = await connect(n1, "asker")
    ok = await client.publish(user="nowhere", data={"text": "later"}, type="reminder", id="off-1")
    assert ok["routed"] is False
    properties = offline.wait_for("user.nowhere", b'{"text": "later"}')
    assert properties.message_id == "off-1" and properties.type == "reminder" and properties.delivery_mode == 2
    assert properties.headers["from"] == "asker" and properties.headers["ts"] == ok["ts"]
    assert properties.content_type == "application/json" and properties.user_id == "grid-node"


async def test_a_backends_message_to_a_user_who_is_nowhere(backend, n1, offline):
    backend.to_user("nowhere-b", b"\xff raw", message_id="off-2", delivery_mode=2, headers={"h": 1}, app_id="billing")
    properties = offline.wait_for("user.nowhere-b", b"\xff raw")
    assert (properties.message_id, properties.app_id, properties.headers["h"]) == ("off-2", "billing", 1)


async def test_messages_during_the_linger_go_to_the_offline_queue(nodes, grid, backend, connect, offline):
    node = nodes.on(grid, {"node.id": "stray", "linger.user": "1h", "stray.hold_at_start": "0"})
    other = await connect(node, "witness")
    gone = await connect(node, "just-left")
    await gone.close()
    wait_for(lambda: node.metric("grid_sessions") == 1)
    assert ("grid.node.stray", "user.just-left.#") in grid.bindings_of("users")
    backend.to_user("just-left", b'{"from": "backend"}', message_id="stray-1", app_id="billing")
    assert (await other.publish(user="just-left", data="from a client", id="stray-2"))["routed"] is True
    first = offline.wait_for("user.just-left", b'{"from": "backend"}')
    second = offline.wait_for("user.just-left", b'"from a client"')
    assert (first.message_id, first.app_id, first.delivery_mode) == ("stray-1", "billing", 2)
    assert (second.message_id, second.headers["from"], second.delivery_mode) == ("stray-2", "witness", 2)
    wait_for(lambda: node.metric("grid_bus_unsettled") == 0)
    assert node.metric('grid_strays_total{kind="user"}') == 2


async def test_a_rooms_message_for_nobody_is_dropped(nodes, grid, backend, connect):
    node = nodes.on(grid, {"node.id": "dropper", "linger.room": "1h"})
    client = await connect(node, "dropper")
    await client.join("empty")
    await client.ok("leave", room="empty")
    backend.to_room("empty", 1)
    wait_for(lambda: node.metric('grid_strays_total{kind="room"}') == 1)
    wait_for(lambda: node.metric("grid_bus_unsettled") == 0)


# A join is answered only after the binding holds


async def test_what_is_published_the_moment_join_is_answered_arrives(n1, n2, backend, connect):
    clients = [await connect(n1, "j1"), await connect(n2, "j2")]
    for i in range(1000):
        await clients[i % 2].ok("join", room=f"moment.{i}")
        backend.to_room(f"moment.{i}", i)
    for first, client in enumerate(clients):
        await client.until(lambda: len(client.data()) == 500, 60)
        assert client.data() == list(range(first, 1000, 2))


async def test_pipelined_joins_are_answered_each_after_its_binding(n1, backend, connect):
    client = await connect(n1, "j3")
    asked = [await client.ask("join", room=f"burst.{i}") for i in range(500)]
    for i, answer in enumerate(asked):
        answer = await asyncio.wait_for(answer, TIMEOUT)
        assert (answer["op"], answer["room"]) == ("ok", f"burst.{i}")
        backend.to_room(f"burst.{i}", i)
    await client.until(lambda: len(client.data()) == 500, 60)
    assert client.data() == list(range(500))


@pytest.fixture
def permission_taken_away(grid):
    """The nodes' account may not bind names with `forbidden` in them; gives it back in the end."""
    path = grid.vhost, grid.account("node")
    for exchange in ("users", "rooms"):
        grid.broker.api("PUT", "topic-permissions", *path, body={
            "exchange": f"{grid.prefix}.{exchange}", "write": ".*", "read": "^(?!.*forbidden)"})
    given_back = []

    def give_back():
        if not given_back:
            given_back.append(True)
            grid.broker.api("DELETE", "topic-permissions", *path)
    yield give_back
    give_back()


async def test_a_bind_the_broker_refuses_hurts_nobody_else(n1, n2, connect, permission_taken_away):
    joiner, bystander, other = await connect(n1, "r1"), await connect(n1, "r2"), await connect(n2, "r3")
    await bystander.join("refusals")
    await other.join("refusals")
    asked = {}
    for i in range(40):
        asked[f"allowed.{i}"] = await bystander.ask("join", room=f"allowed.{i}")
        if i % 10 == 5:
            asked[f"forbidden.{i}"] = await joiner.ask("join", room=f"forbidden.{i}")
    for room, answer in asked.items():
        answer = await asyncio.wait_for(answer, TIMEOUT)
        if room.startswith("allowed"):
            assert answer["op"] == "ok", answer
        else:
            assert (answer["op"], answer["code"]) == ("error", "internal"), answer
    for client in (bystander, other):
        await client.publish(room="refusals", data=client.welcome["user"])
    for i in range(40):
        await other.publish(room=f"allowed.{i}", data=i)
    await bystander.wait_data("r2", "r3", *range(40))
    await other.wait_data("r2", "r3")
    assert await joiner.fails("leave", room="forbidden.5") == "not_joined"
    permission_taken_away()
    await joiner.join("forbidden.5")
    await other.publish(room="forbidden.5", data="at last")
    await joiner.wait_data("at last")


async def test_a_user_whom_the_broker_refuses_is_told_to_come_back(n1, connect, permission_taken_away):
    witness = await connect(n1, "r4")
    client = await connect.open(n1, "forbidden-user")
    assert await client.wait_closed() == 1013
    assert client.welcome is None and client.got("error")[0]["code"] == "internal"
    await witness.sync()
    permission_taken_away()
    await connect(n1, "forbidden-user")
