"""A grid whose nodes meet on Redis: what a client sees, what others put on the channels, and what happens when Redis
dies, freezes or refuses."""

import asyncio
import hashlib
import hmac
import json
import time

import pytest

from gridtest.load import flows, outage, until
from gridtest.redis import PASSWORD, SECRET, Redis, RedisBackend
from gridtest.tcpproxy import Proxy
from gridtest.util import wait_for

FAST = {"bus.redis.reconnect_min": "50ms", "bus.redis.reconnect_max": "300ms"}
ROOM = "grid.rooms:room.lobby"


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """One for all tests here. A test that stops or freezes it leaves it running."""
    redis = Redis(tmp_path_factory.mktemp("redis"))
    redis.start()
    yield redis
    redis.stop()


@pytest.fixture(autouse=True)
def empty_stream(redis):
    redis("DEL", "grid.offline")


@pytest.fixture
def backend(redis):
    backend = RedisBackend(redis)
    yield backend
    backend.close()


@pytest.fixture
def on_redis(nodes, redis):
    """Starts nodes there; `wait=False`: without waiting for them to be ready."""
    def start(settings=None, password=PASSWORD, wait=True):
        settings = {"bus.redis.address": redis.address, **FAST, **(settings or {})}
        node = nodes.new("redis", settings, environment={"GRIDNODE_BUS_REDIS_PASSWORD": password,
                                                         "GRIDNODE_BUS_REDIS_SECRET": SECRET})
        return node.start() if wait else node.spawn()
    return start


def envelope(channel, body, properties, secret=SECRET):
    """As docs/protocol.md describes it."""
    line = json.dumps(properties, separators=(",", ":"))[:-1] + ("," if properties else "")
    signature = hmac.new(secret.encode(), f"{channel}\n{line}\n{body}".encode(), hashlib.sha256).hexdigest()
    return f'GN1 {line}"sig":"{signature}"}}\n{body}'


# What works


async def test_clients_of_two_nodes_talk(on_redis, backend, connect):
    n1, n2 = on_redis(), on_redis()
    clients = [await connect(n1, "c1"), await connect(n1, "c2"), await connect(n2, "c3")]
    for client in clients:
        await client.join("lobby", "a room/with#odd *name")
    await flows(clients, backend, "lobby")
    answer = await clients[0].publish(room="a room/with#odd *name", data=1, type="chat", id="x-1")
    for client in clients:
        push = await client.wait_for("message", id="x-1")
        assert push == {"op": "message", "room": "a room/with#odd *name", "id": "x-1", "ts": answer["ts"], "from": "c1",
                        "type": "chat", "data": 1}
    await clients[0].publish(room="lobby", data="quiet", echo=False)
    await clients[2].wait_data("quiet")
    await clients[0].sync()
    assert "quiet" not in clients[0].data()


async def test_redis_cli_reaches_clients(on_redis, redis, connect):
    client = await connect(on_redis(), "42")
    await client.join("lobby")
    assert redis.cli("publish", "grid.users:user.42", '{"hi":1}') == "1"
    assert (await client.wait_for("notify"))["data"] == {"hi": 1}
    assert redis.cli("publish", "grid.rooms:room.lobby", "just words") == "1"
    assert (await client.wait_for("message"))["text"] == "just words"
    assert redis.cli("publish", "grid.users:user.43", "1") == "0"


async def test_absent_users_messages_wait_in_the_stream(on_redis, redis, connect):
    n1, n2 = on_redis(), on_redis()
    sender, receiver = await connect(n1, "s"), await connect(n2, "r")
    assert (await sender.publish(user="r", data=1))["routed"] is True
    answer = await sender.publish(user="nobody here", data={"wait": True}, type="chat")
    assert answer["routed"] is False
    await receiver.wait_data(1, op="notify")
    [entry] = redis.offline()
    assert entry["key"] == "user.nobody%20here" and json.loads(entry["body"]) == {"wait": True}
    properties = json.loads(entry["properties"])
    assert properties["from"] == "s" and properties["message_id"] == answer["id"] and properties["type"] == "chat"
    # Whoever reads it can tell that a node wrote it.
    assert envelope("grid.users:user.nobody%20here", entry["body"],
                    {name: value for name, value in properties.items() if name != "sig"}).split("\n")[0] == \
        "GN1 " + entry["properties"]


async def test_a_message_for_a_user_who_just_left(on_redis, backend, redis, connect):
    node = on_redis({"linger.user": "30s"})
    client = await connect(node, "gone")
    await client.close()
    await until(lambda: node.metric("grid_sessions") == 0)
    assert backend.to_user("gone", {"late": 1}) == 1
    await until(redis.offline)
    [entry] = redis.offline()
    assert (entry["key"], entry["body"], entry["properties"]) == ("user.gone", '{"late": 1}', "{}")
    assert entry["stray"] == node.id


async def test_an_envelope_made_as_documented_is_believed(on_redis, backend, connect):
    client = await connect(on_redis(), "c")
    await client.join("lobby")
    backend.raw(ROOM, envelope(ROOM, '"said"', {"message_id": "m-1", "from": "ü", "type": "chat", "ts": 1790000000123}))
    assert await client.wait_for("message") == {"op": "message", "room": "lobby", "id": "m-1", "ts": 1790000000123,
                                                "from": "ü", "type": "chat", "data": "said"}


# What is not believed


async def test_forged_bad_and_huge_payloads_are_dropped(on_redis, backend, connect):
    node = on_redis()
    client = await connect(node, "c")
    await client.join("lobby")
    other = "grid.rooms:room.other"
    forged = ['GN1 {"from":"admin"}\n"forged"', 'GN1 {"from":"admin","sig":"' + "0" * 64 + '"}\n"forged"',
              envelope(ROOM, '"forged"', {"from": "admin"}, secret="some other secret"),
              envelope(other, '"forged"', {"from": "admin"}),
              envelope(ROOM, '"forged"', {"from": "admin"}).replace("admin", "root!"),
              envelope(ROOM, '"honest"', {"from": "c"}).replace("honest", "forged"),
              "GN1 null\nforged", "GN1 {\"a\":1}}\nforged", b"GN1 {\"a\":\"\xff\"}\nx"]
    bad = ["GN1 ", "GN1 {", 'GN1 {"from":"admin"']
    huge = ["x" * (1 << 20) + "y", "y" * (20 << 20)]
    for payload in [*forged, *bad, *huge]:
        assert backend.raw(ROOM, payload) == 1
    backend.to_room("lobby", "after")
    await client.wait_data("after")
    assert [push.get("data") for push in client.got("message")] == ["after"]
    for reason, count in (("forged", len(forged)), ("envelope", len(bad)), ("size", len(huge))):
        assert node.metric(f'grid_redis_dropped_total{{reason="{reason}"}}') == count
    assert node.metric("grid_bus_state_changes_total") == 1
    assert 'why="an envelope without our signature"' in node.log
    assert node.log.count("bus.dropped") <= 2 * 6  # limited


async def test_garbage_of_all_kinds_hurts_nobody(on_redis, backend, connect):
    node = on_redis()
    client = await connect(node, "c")
    await client.join("lobby")
    for payload in ["", "\0", "\n", "{", "nul", "[" * 1000, b"\xff\xfe", "\u2028", '"\ud7ff"', '{"op":"bye"}', "*1\r\n"]:
        backend.raw(ROOM, payload)
    backend.to_room("lobby", "after")
    await client.wait_data("after")
    assert len(client.got("message")) == 12  # and each of them was JSON, or the client would have said so
    assert all(sum(name in push for name in ("data", "text", "base64")) == 1 for push in client.got("message"))


# Faults


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_redis_killed_and_started_under_load(on_redis, redis, connect, how):
    await outage(on_redis(), on_redis(), connect, lambda: RedisBackend(redis), getattr(redis, how), redis.start)


async def test_a_frozen_redis_is_noticed(on_redis, redis, backend, connect):
    node = on_redis()
    client = await connect(node, "c")
    await client.join("lobby")
    try:
        redis.freeze()
        before = time.monotonic()
        publish = await client.ask("publish", room="lobby", data="lost?")
        await until(lambda: "to=down" in node.log, 10)
        assert time.monotonic() - before < 2.5
        assert (await publish)["code"] == "unavailable"
        assert await client.fails("publish", room="lobby", data=1) == "unavailable"
        assert "no answer for 1" in node.log
        mark = len(node.log)
        await until(lambda: "bus.waiting" in node.log[mark:], what="it tries again meanwhile")
    finally:
        redis.thaw()
    await asyncio.to_thread(node.wait_ready)
    await until(lambda: node.metric("grid_topics_waiting") == 0)
    await flows([client], backend, "lobby")
    assert not client.closed


async def test_an_idle_node_notices_a_frozen_redis(on_redis, redis):
    node = on_redis()
    try:
        redis.freeze()
        before = time.monotonic()
        await until(lambda: node.get("/readyz")[0] == 503, 10)
        assert time.monotonic() - before < 2.5
    finally:
        redis.thaw()
    await asyncio.to_thread(node.wait_ready)


async def test_a_link_that_is_cut_again_and_again(on_redis, redis, backend, connect):
    with Proxy((redis.host, redis.port)) as proxy:
        node = on_redis({"bus.redis.address": proxy.address})
        client = await connect(node, "c")
        await client.join("lobby")
        for _ in range(5):
            downs = node.metric('grid_redis_losses_total{link="subscriber"}')
            proxy.cut()
            await until(lambda: node.metric('grid_redis_losses_total{link="subscriber"}') > downs)
            await asyncio.to_thread(node.wait_ready)
            await until(lambda: node.metric("grid_topics_waiting") == 0)
            await flows([client], backend, "lobby", 5)
        assert not client.closed


def test_a_wrong_password_is_said_and_tried_again(on_redis, redis):
    redis("ACL", "SETUSER", "node", "on", ">right", "~grid.*", "resetchannels", "&grid.*", "+@all")
    node = on_redis({"bus.redis.user": "node"}, password="wrong", wait=False)
    line = node.wait_log(r"error bus\.waiting (.*)").group(1)
    assert "WRONGPASS" in line and "bus.redis.user" in line
    wait_for(lambda: node.metric('grid_redis_connect_failures_total{link="publisher"}') >= 3, 30)
    assert node.log.count("bus.waiting") == 2  # once for each link
    assert node.get("/readyz")[0] == 503
    redis("ACL", "SETUSER", "node", ">wrong")
    node.wait_ready()


def test_refused_without_a_secret(nodes, redis):
    node = nodes.new("redis", {"bus.redis.address": redis.address}).spawn()
    node.exit_codes = {2}
    assert node.wait_exit() == 2
    assert "bus.redis.secret: expected to be set" in node.log and "bus.redis.trust" in node.log
