"""Odd names and odd bodies, over two nodes and a broker: who gets a message, and what of it."""

import base64
import json

import pytest

SETTINGS = {"linger.user": "0", "linger.room": "0"}
NAMES = ["#", "*", "a.b", "ü", "n" * 128, "ü" * 33, "%23", "%C3%BC", "a b", "user.42", "a#", "日本", "-_", '"\\/']
USERS = [*NAMES, ".", "..", "a..b", "x" * 200]
DECOYS = ["a", "b", "a.b.c", "x", "ab", "c3", "23", "bystander"]


@pytest.fixture(scope="module")
def n1(module_nodes, grid):
    return module_nodes.on(grid, SETTINGS)


@pytest.fixture(scope="module")
def n2(module_nodes, grid):
    return module_nodes.on(grid, SETTINGS)


async def test_users_of_odd_names_get_theirs_and_nothing_else(n1, n2, backend, connect):
    everybody = USERS + DECOYS
    sessions = {(name, node.id): await connect(node, name) for name in everybody for node in (n1, n2)}
    sender = await connect(n1, "sender")
    for name in everybody:
        backend.to_user(name, ["backend", name])
        assert (await sender.publish(user=name, data=["client", name]))["routed"] is True
        # Nobody is called this, whatever the name would mean to a broker.
        assert (await sender.publish(user="nobody" + name[:20], data="nobody"))["routed"] is False
    for (name, _), client in sessions.items():
        await client.until(lambda: len(client.got("notify")) == 2)
    for (name, _), client in sessions.items():
        await client.sync()
        assert client.data("notify") == [["backend", name], ["client", name]]
        assert client.welcome["user"] == name


async def test_rooms_of_odd_names_get_theirs_and_nothing_else(n1, n2, backend, connect):
    everybody = NAMES + DECOYS
    members = {(name, node.id): await connect(node, f"member-{i}")
               for i, name in enumerate(everybody) for node in (n1, n2)}
    for (name, _), client in members.items():
        assert (await client.ok("join", room=name))["room"] == name
    sender = await connect(n1, "sender")
    for name in everybody:
        backend.to_room(name, ["backend", name])
        await sender.publish(room=name, data=["client", name])
    for (name, _), client in members.items():
        await client.until(lambda: len(client.got("message")) == 2)
    for (name, _), client in members.items():
        await client.sync()
        assert client.data() == [["backend", name], ["client", name]]
        assert {frame["room"] for frame in client.got("message")} == {name}


async def test_names_too_long_when_encoded(n1, connect):
    client = await connect(n1, "u")
    for name in ("ü" * 64, "ü" * 34, "x" * 201, "#" * 67):
        assert await client.fails("join", room=name) == "bad_name"
        assert await client.fails("publish", room=name, data=1) == "bad_name"
        assert await client.fails("publish", user=name, data=1) == "bad_name"
        refused = await connect.open(n1, name)
        assert await refused.wait_closed() == 4001


async def test_keys_no_name_could_have_made_reach_nobody(n1, n2, grid, connect):
    """From an account that may write them; the backends' may not."""
    client = await connect(n1, "42")
    await client.join("lobby")
    channel = grid.connect("admin").channel()
    channel.confirm_delivery()
    for exchange, key in [("users", "user.42.n.x"), ("users", "user.42.n"), ("rooms", "user.42"), ("users", "user"),
                          ("rooms", "room.lobby.n"), ("rooms", "room"), ("rooms", "room.%6Cobby"),
                          ("users", "user.%34%32"), ("rooms", "room.lobby")]:
        channel.basic_publish(f"{grid.prefix}.{exchange}", key, json.dumps(key))
    await client.wait_data("room.lobby")
    await client.wait_data("user.42.n", op="notify")
    await client.sync()
    # Whatever stands behind the two words of a user's key is still that user's.
    assert set(client.data("notify")) <= {"user.42.n", "user.42.n.x"} and client.data() == ["room.lobby"]
    channel.connection.close()


# Bodies


BODIES = [
    (b'{"a":1}', "data"), (b"  [1, 2]\n", "data"), (b'"\xc3\xbc"', "data"), (b"1E5", "data"), (b"null", "data"),
    (b"NaN", "text"), (b"Infinity", "text"), (b"{'a':1}", "text"), (b'{"a":1}{"b":2}', "text"), (b"1.", "text"),
    (b'{"a":NaN}', "text"), (b'"tab\tinside"', "text"), (b"\x00", "text"), (b'"\x01\x1f"', "text"),
    (b"line\r\nline\x7f", "text"), ("\u2028\u2029\ufeff \U0001f600".encode(), "text"), (b'","op":"bye","x":"', "text"),
    (b"\\", "text"), (b"<script>", "text"), (b"[" * 100000, "text"),
    (b"\xff\xfe", "base64"), (b'"\xc0\x80"', "base64"), (b'{"a":"\xed\xa0\x80"}', "base64"), (bytes(range(256)), "base64"),
    (b"\xf4\x90\x80\x80", "base64"), (b"x" * 70000 + b"\xff", "base64"),
]


def heard(frame):
    """(field, value) of what a push carries."""
    found = [(name, frame[name]) for name in ("data", "text", "base64") if name in frame]
    assert len(found) == 1, frame
    return found[0]


async def test_whatever_a_backend_sends_arrives_as_json(n1, n2, backend, connect):
    clients = [await connect(n1, "bodies"), await connect(n2, "bodies")]
    for client in clients:
        await client.join("bodies")
    for body, _ in BODIES:
        backend.to_room("bodies", body)
        backend.to_user("bodies", body)
        backend.to_room("bodies", body, content_type="application/json")
    for client in clients:
        await client.until(lambda: len(client.got("message")) == 2 * len(BODIES) and
                           len(client.got("notify")) == len(BODIES))
        pushes = zip(client.got("message")[::2], client.got("notify"), client.got("message")[1::2])
        for (body, wanted), frames in zip(BODIES, pushes):
            for frame in frames:
                field, value = heard(frame)
                assert field == wanted, (body, frame)
                if field == "data":
                    assert frame.text.endswith(',"data":' + body.decode() + "}") or value == json.loads(body)
                elif field == "text":
                    assert value.encode() == body
                else:
                    assert base64.b64decode(value, validate=True) == body


async def test_an_empty_body(n1, n2, backend, connect):
    clients = [await connect(n1, "empty"), await connect(n2, "empty")]
    backend.to_user("empty", b"")
    backend.to_user("empty", b" ")
    for client in clients:
        await client.until(lambda: len(client.got("notify")) == 2)
        assert heard(client.got("notify")[0]) == ("data", None)


async def test_odd_properties_break_nothing(n1, n2, backend, connect):
    client = await connect(n2, "oddities")
    backend.to_user("oddities", 1, type="with \"quotes\"", app_id="ü\\")
    backend.to_user("oddities", 2, type="\x01", app_id="\n", message_id="\t")
    backend.to_user("oddities", 3, type="x" * 255, app_id="y" * 255, message_id="z" * 64)
    backend.to_user("oddities", 4, timestamp=0, headers={"ts": "soon"})
    backend.to_user("oddities", 5, headers={"ts": -1, "from": {"a": ["b"]}, "echo": 7}, priority=9, correlation_id="c",
                    reply_to="amq.nothing", content_encoding="gzip")
    await client.wait_data(1, 2, 3, 4, 5, op="notify")
    first, second, third, fourth, fifth = client.got("notify")
    assert (first["type"], first["app"]) == ('with "quotes"', "ü\\")
    assert second["type"] == "message" and "app" not in second and "id" not in second
    assert (third["type"], third["app"], third["id"]) == ("x" * 255, "y" * 255, "z" * 64)
    assert fourth["ts"] > 1600000000000 and fifth["ts"] > 1600000000000


# CC: one message under several keys


async def test_cc_reaches_all_its_keys_once(n1, n2, backend, connect):
    a, b, c = await connect(n1, "cc-a"), await connect(n2, "cc-b"), await connect(n2, "cc-c")
    both = await connect(n1, "cc-both")
    backend.to_user("cc-a", "hello", headers={"CC": ["user.cc-b", "user.cc-both", "user.cc-a"]})
    for client in (a, b, both):
        await client.wait_data("hello", op="notify")
    backend.to_user("cc-c", "end")
    await c.wait_data("end", op="notify")
    for client in (a, b, both):
        await client.sync()
        assert client.data("notify") == ["hello"]
    assert c.data("notify") == ["end"]


async def test_cc_of_rooms(n1, n2, backend, connect):
    in_both, in_one = await connect(n1, "ccr-1"), await connect(n2, "ccr-2")
    await in_both.join("ccr.x", "ccr.y")
    await in_one.join("ccr.y")
    backend.to_room("ccr.x", "hello", headers={"CC": ["room.ccr.y"]})
    await in_both.until(lambda: len(in_both.got("message")) == 2)
    await in_one.wait_data("hello")
    assert {frame["room"] for frame in in_both.got("message")} == {"ccr.x", "ccr.y"}
    assert [frame["room"] for frame in in_one.got("message")] == ["ccr.y"]


async def test_cc_with_nonsense_in_it(n1, backend, connect):
    client, other = await connect(n1, "ccn"), await connect(n1, "ccn-other")
    many = ["user.ccn-other"] + [f"user.nobody-{i}" for i in range(30)] + ["user.ccn-late"]
    late = await connect(n1, "ccn-late")
    backend.to_user("ccn", 1, headers={"CC": ["nonsense", "user.ccn-other", "user.a%zz", ""]})
    backend.to_user("ccn", 2, headers={"CC": many})
    for person in (client, other):
        await person.wait_data(1, 2, op="notify")
    await late.sync()
    # At most sixteen are looked up.
    assert late.data("notify") == []
    backend.to_user("ccn", 3)
    await client.wait_data(3, op="notify")
