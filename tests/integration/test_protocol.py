"""What a client can ask and what it is told (docs/protocol.md, section 2), on one node without a broker."""

import asyncio
import json
import re
import time

import pytest

from gridtest import raw
from gridtest.raw import Raw

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


@pytest.fixture(scope="module")
def node(module_nodes):
    return module_nodes.local({"linger.user": "0", "linger.room": "0", "limits.rooms": 5})


async def raw_request(client, text):
    """Sends a text as it stands; the next frame without a ref or with one, whichever comes."""
    before = len(client.pushes)
    await client.send(text)
    await client.until(lambda: len(client.pushes) > before)
    return client.pushes[before]


# Welcome


async def test_welcome(node, connect):
    client = await connect(node, "42")
    welcome = dict(client.welcome)
    assert ULID.fullmatch(welcome.pop("session"))
    assert welcome == {"op": "welcome", "user": "42", "node": node.id, "heartbeat": 25, "resumed": False}


@pytest.mark.parametrize("user", ["ü", "#", "*", "a.b", "a b", "a/b?c&d=e", '"\\', "日本", "x" * 200])
async def test_welcome_says_the_name_as_it_was_given(node, connect, user):
    client = await connect(node, user)
    assert client.welcome["user"] == user


async def test_each_websocket_is_a_session_of_its_own(node, connect):
    sessions = {(await connect(node, "several")).session for _ in range(5)}
    assert len(sessions) == 5


@pytest.mark.parametrize("query", [{}, {"user": ""}, {"user": "x" * 201}, {"user": "ü" * 34}, {"user": "a\nb"},
                                   {"user": "a\x7fb"}, {"token": "T"}])
async def test_bad_credentials_are_told_on_the_socket(node, connect, query):
    client = await connect.open(node, None, query)
    assert await client.wait_closed() == 4001
    assert [(frame["op"], frame["code"]) for frame in client.pushes] == [("error", "unauthorized")]


def test_a_name_that_is_not_utf8_is_no_name(node):
    with Raw(node) as client:
        client.upgrade("%ff%fe")
        assert json.loads(client.read().payload)["code"] == "unauthorized"
        assert client.close_code() == 4001


def test_the_log_warns_of_names_that_nobody_checks(node):
    assert re.search(r" warn auth\.none .*\?user=", node.log)


# join, leave


async def test_join_and_leave(node, connect):
    client = await connect(node, "joiner")
    assert await client.ok("join", room="eu.lobby", ref="r1") == {"op": "ok", "ref": "r1", "room": "eu.lobby"}
    assert await client.ok("join", room="eu.lobby", ref=2) == {"op": "ok", "ref": 2, "room": "eu.lobby"}
    assert await client.ok("leave", room="eu.lobby", ref=3) == {"op": "ok", "ref": 3, "room": "eu.lobby"}
    assert await client.fails("leave", room="eu.lobby") == "not_joined"
    assert await client.fails("leave", room="never") == "not_joined"


async def test_a_room_is_heard_between_join_and_leave(node, connect):
    listener, speaker = await connect(node, "listener"), await connect(node, "speaker")
    await speaker.publish(room="hall", data="before")
    await listener.join("hall")
    await speaker.publish(room="hall", data="inside")
    await listener.wait_data("inside")
    await listener.ok("leave", room="hall")
    await speaker.publish(room="hall", data="after")
    await listener.join("hall")
    await speaker.publish(room="hall", data="again")
    await listener.wait_data("again")
    assert listener.data() == ["inside", "again"]
    assert speaker.data() == []


async def test_joining_twice_is_no_second_copy(node, connect):
    client = await connect(node, "twice")
    await client.join("doubled", "doubled")
    await client.publish(room="doubled", data=1)
    await client.publish(room="doubled", data=2)
    await client.wait_data(2)
    assert client.data() == [1, 2]
    await client.ok("leave", room="doubled")
    assert await client.fails("leave", room="doubled") == "not_joined"


async def test_too_many_rooms(node, connect):
    client = await connect(node, "collector")
    await client.join(*(f"r{i}" for i in range(5)))
    assert await client.fails("join", room="r5") == "too_many"
    await client.join("r4")
    await client.ok("leave", room="r0")
    await client.join("r5")


async def test_replay_is_reserved(node, connect):
    client = await connect(node, "replayer")
    assert await client.fails("join", room="a", since="01J") == "bad_request"
    assert await client.fails("join", room="a", last=10) == "bad_request"
    assert await client.fails("leave", room="a") == "not_joined"


# publish


async def test_a_message_in_a_room(node, connect):
    a, b = await connect(node, "7"), await connect(node, "8")
    await a.join("m1")
    await b.join("m1")
    before = int(time.time() * 1000)
    ok = await a.ok("publish", room="m1", data={"text": "hi"}, ref="x")
    assert set(ok) == {"op", "ref", "id", "ts"} and ok["ref"] == "x"
    assert ULID.fullmatch(ok["id"]) and before - 1000 <= ok["ts"] <= time.time() * 1000 + 1000
    wanted = {"op": "message", "room": "m1", "id": ok["id"], "ts": ok["ts"], "from": "7", "type": "message",
              "data": {"text": "hi"}}
    assert await b.wait_for("message") == wanted
    assert await a.wait_for("message") == wanted
    assert a.got("message")[0].text == b.got("message")[0].text


async def test_a_message_to_a_user_reaches_all_his_sessions(node, connect):
    sessions = [await connect(node, "target") for _ in range(3)]
    other, sender = await connect(node, "target2"), await connect(node, "sender")
    ok = await sender.publish(user="target", data=[1], type="invoice.paid", id="mine-1")
    assert ok["id"] == "mine-1" and ok["routed"] is True
    for session in sessions:
        assert await session.wait_for("notify") == {"op": "notify", "id": "mine-1", "ts": ok["ts"], "from": "sender",
                                                    "type": "invoice.paid", "data": [1]}
    await sender.publish(user="target2", data="last")
    await other.wait_data("last", op="notify")
    assert other.data("notify") == ["last"] and not sender.got("notify")


async def test_a_message_to_oneself(node, connect):
    here, there = await connect(node, "self"), await connect(node, "self")
    await here.publish(user="self", data=1)
    await here.publish(user="self", data=2, echo=False)
    await there.wait_data(1, 2, op="notify")
    await here.wait_data(1, op="notify")
    await here.sync()
    assert here.data("notify") == [1] and there.data("notify") == [1, 2]


async def test_a_user_who_is_nowhere(node, connect):
    client = await connect(node, "alone")
    assert (await client.publish(user="nobody", data=1))["routed"] is False
    gone = await connect(node, "gone")
    assert (await client.publish(user="gone", data=1))["routed"] is True
    await gone.close()

    async def is_away():
        while (await client.publish(user="gone", data=2))["routed"]:
            pass
    await asyncio.wait_for(is_away(), 30)


async def test_no_echo(node, connect):
    a, b = await connect(node, "echo-a"), await connect(node, "echo-b")
    await a.join("quiet")
    await b.join("quiet")
    await a.publish(room="quiet", data="not to me", echo=False)
    await a.publish(room="quiet", data="to me too", echo=True)
    await a.wait_data("to me too")
    await b.wait_data("to me too")
    assert a.data() == ["to me too"]
    assert b.data() == ["not to me", "to me too"]


async def test_one_need_not_be_in_a_room_to_publish_to_it(node, connect):
    a, b = await connect(node, "in"), await connect(node, "out")
    await a.join("open")
    await b.publish(room="open", data=1)
    await a.wait_data(1)


@pytest.mark.parametrize("text", ["1.50", "-0", "1e400", "123456789012345678901234567890", "null", "false", '""',
                                  '"\\u0000\\ud800\\/"', "[ 1 ,\t2 ]", '{"a":1,"a":2}', '{"data":{"op":"bye"}}',
                                  '"ü\U0001f600"', "[" * 200 + "]" * 200])
async def test_data_arrives_as_it_was_written(node, connect, text):
    client = await connect(node, "writer")
    await client.join("written")
    await client.send('{"op":"publish","room":"written","data":' + text + "}")
    message = await client.wait_for("message")
    assert message.text.endswith(',"data":' + text + "}")


async def test_pipelined_messages_keep_their_order(node, connect):
    clients = [await connect(node, f"order-{i}") for i in range(4)]
    for client in clients:
        await client.join("order")
    for i in range(500):
        await clients[0].send(json.dumps({"op": "publish", "room": "order", "data": i}))
    for client in clients:
        await client.wait_data(499)
        assert client.data() == list(range(500))
    assert len({tuple(frame["id"] for frame in client.got("message")) for client in clients}) == 1
    ids = [frame["id"] for frame in clients[0].got("message")]
    assert ids == sorted(set(ids))


async def test_a_large_message(node, connect):
    a, b = await connect(node, "large-a"), await connect(node, "large-b")
    await b.join("large")
    data = "ü" * 32000  # 64 KB is the limit of a frame
    await a.send(json.dumps({"op": "publish", "room": "large", "data": data}, ensure_ascii=False))
    await b.wait_data(data)


# ping, ref


async def test_ping(node, connect):
    client = await connect(node, "pinger")
    answer = await client.ok("ping", ref="p")
    assert set(answer) == {"op", "ref", "ts"} and abs(answer["ts"] - time.time() * 1000) < 60000


@pytest.mark.parametrize("ref", ['"a"', '""', '"' + "r" * 64 + '"', '"\\u00fc"', '"ü"', "0", "-1", "1.50", "1e3",
                                 "12345678901234567890"])
async def test_ref_comes_back_as_it_was_written(node, connect, ref):
    client = await connect(node, "ref")
    ok = await raw_request(client, '{"op":"ping","ref":' + ref + "}")
    assert ok.text.startswith('{"op":"ok","ref":' + ref + ",")
    error = await raw_request(client, '{"ref":' + ref + ',"op":"nothing"}')
    assert error.text.startswith('{"op":"error","ref":' + ref + ",") and error["code"] == "unknown_op"


@pytest.mark.parametrize("ref", ['"' + "r" * 65 + '"', '"' + "ü" * 33 + '"', "null", "true", "[]", "{}"])
async def test_bad_refs(node, connect, ref):
    client = await connect(node, "ref")
    error = await raw_request(client, '{"op":"ping","ref":' + ref + "}")
    assert (error["op"], error["code"]) == ("error", "bad_request")
    assert "ref" not in error


async def test_without_ref_there_is_no_ok_but_the_error(node, connect):
    client = await connect(node, "terse")
    await client.send('{"op":"join","room":"terse"}')
    await client.join("terse")  # or the join below is left again before it is done, which is an error, too
    await client.send('{"op":"publish","room":"terse","data":1}')
    await client.send('{"op":"publish","user":"nobody-there","data":1}')
    await client.send('{"op":"leave","room":"terse"}')
    await client.send('{"op":"leave","room":"terse"}')
    error = await client.wait_for("error")
    assert error["code"] == "not_joined" and "ref" not in error
    assert [frame["op"] for frame in client.pushes if frame["op"] != "message"] == ["welcome", "error"]


# What is wrong


BAD_REQUESTS = [
    ("", "bad_json"), (" ", "bad_json"), ("{", "bad_json"), ("hello", "bad_json"), ("[]", "bad_json"),
    ("1", "bad_json"), ('"x"', "bad_json"), ("null", "bad_json"), ("{} {}", "bad_json"), ("{}x", "bad_json"),
    ('{"op":"ping",}', "bad_json"), ("{'op':'ping'}", "bad_json"), ('{"op":"ping","x":NaN}', "bad_json"),
    ('{"op":"ping","x":01}', "bad_json"), ('{"op":"ping","x":1.}', "bad_json"), ('{"op":"ping","x":"\t"}', "bad_json"),
    ('{"op":"ping"}\x00', "bad_json"), ('\ufeff{"op":"ping"}', "bad_json"),
    ('{"op":"ping","x":' + "[" * 300 + "]" * 300 + "}", "bad_json"),
    ("{}", "bad_request"), ('{"op":1}', "bad_request"), ('{"op":null}', "bad_request"),
    ('{"op":"ping","op":"ping"}', "bad_request"), ('{"op":"ping","\\u006fp":"ping"}', "bad_request"),
    ('{"op":"ping","ref":1,"ref":1}', "bad_request"),
    ("{" + ",".join(f'"m{i}":1' for i in range(40)) + ',"op":"ping"}', "bad_request"),
    ('{"op":""}', "unknown_op"), ('{"op":"PING"}', "unknown_op"), ('{"op":"ping\\u0000"}', "unknown_op"),
    ('{"op":"who","room":"a"}', "unknown_op"), ('{"op":"welcome"}', "unknown_op"),
    ('{"op":"join"}', "bad_request"), ('{"op":"join","room":1}', "bad_request"),
    ('{"op":"join","room":null}', "bad_request"), ('{"op":"join","room":["a"]}', "bad_request"),
    ('{"op":"join","room":"\\ud800"}', "bad_request"),
    ('{"op":"join","room":""}', "bad_name"), ('{"op":"join","room":"."}', "bad_name"),
    ('{"op":"join","room":"a..b"}', "bad_name"), ('{"op":"join","room":".a"}', "bad_name"),
    ('{"op":"join","room":"a."}', "bad_name"), ('{"op":"join","room":"a\\nb"}', "bad_name"),
    ('{"op":"join","room":"a\\u0085b"}', "bad_name"), ('{"op":"join","room":"' + "x" * 201 + '"}', "bad_name"),
    ('{"op":"join","room":"' + "ü" * 34 + '"}', "bad_name"),
    ('{"op":"leave"}', "bad_request"), ('{"op":"leave","room":"a..b"}', "bad_name"),
    ('{"op":"publish"}', "bad_request"), ('{"op":"publish","room":"a"}', "bad_request"),
    ('{"op":"publish","data":1}', "bad_request"), ('{"op":"publish","room":"a","user":"b","data":1}', "bad_request"),
    ('{"op":"publish","room":5,"data":1}', "bad_request"), ('{"op":"publish","user":{},"data":1}', "bad_request"),
    ('{"op":"publish","room":"a..b","data":1}', "bad_name"), ('{"op":"publish","user":"","data":1}', "bad_name"),
    ('{"op":"publish","user":"' + "ü" * 64 + '","data":1}', "bad_name"),
    ('{"op":"publish","room":"a","data":1,"type":1}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"type":""}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"type":"grid.kick"}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"type":"grid."}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"type":"receipt"}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"type":"presence"}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"type":"\\u0067rid.x"}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"id":1}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"id":""}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"id":"' + "i" * 65 + '"}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"id":"ü"}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"echo":"no"}', "bad_request"),
    ('{"op":"publish","room":"a","data":1,"echo":null}', "bad_request"),
]


@pytest.mark.parametrize("text,code", BAD_REQUESTS, ids=[f"{code}-{i}" for i, (_, code) in enumerate(BAD_REQUESTS)])
async def test_bad_requests(node, connect, text, code):
    client = await connect(node, "clumsy")
    error = await raw_request(client, text)
    assert (error["op"], error["code"]) == ("error", code), error
    assert set(error) == {"op", "code", "message"} or error.get("ref") is not None
    await client.sync()  # and it goes on


@pytest.mark.parametrize("text", ['{"op":"ping","ref":"k","unknown":[{}],"x":null}', ' \t\r\n{"op" : "ping" , "ref":"k"}\n',
                                  '{"\\u006fp":"\\u0070ing","ref":"k"}'])
async def test_what_is_fine(node, connect, text):
    client = await connect(node, "fine")
    answer = await raw_request(client, text)
    assert (answer["op"], answer["ref"]) == ("ok", "k")


# Frames and close codes


async def test_the_client_closes(node, connect):
    client = await connect(node, "leaver")
    assert await client.close(1000) == 1000


async def test_a_binary_frame(node, connect):
    client = await connect(node, "binary")
    await client.send(b'{"op":"ping","ref":1}')
    assert await client.wait_closed() == 1003


async def test_a_message_in_pieces(node, connect):
    client = await connect(node, "pieces")
    text = '{"op":"ping","ref":"pieces"}'
    before = len(client.pushes)
    await client.send(text[i:i + 3] for i in range(0, len(text), 3))
    await client.until(lambda: len(client.pushes) > before)
    assert client.pushes[before]["ref"] == "pieces"


def test_a_ping_between_the_pieces(node):
    with Raw(node).welcomed("between") as client:
        client.send(raw.frame('{"op":"ping",', fin=False) + raw.frame("are you there", raw.PING)
                    + raw.frame('"ref":7}', opcode=0))
        assert client.read() == (raw.PONG, b"are you there")
        assert json.loads(client.read().payload)["ref"] == 7


BROKEN_FRAMES = [
    (raw.frame(b"\xff\xfe"), 1007),
    (raw.frame(b'{"op":"ping","ref":"\xc0\x80"}'), 1007),
    (raw.frame(b'{"op":"ping","ref":"\xed\xa0\x80"}'), 1007),
    (raw.frame("x" * 70000), 1009),
    (raw.frame("x" * 2000, length=70000), 1009),
    (raw.frame("x" * 2000, length=1 << 62), 1009),
    (raw.frame(b"x" * 40000, fin=False) + raw.frame(b"x" * 40000, opcode=0), 1009),
    (raw.frame("{}", opcode=0), 1002),
    (raw.frame("{}", opcode=3), 1002),
    (raw.frame("{}", opcode=11), 1002),
    (raw.frame("{}", rsv=4), 1002),
    (raw.frame("x", raw.PING, fin=False), 1002),
    (raw.frame("{", fin=False) + raw.frame("}"), 1002),
    (raw.frame(b"\x03\xe7", raw.CLOSE), 1002),  # 999
    (raw.frame("x" * 126, raw.PING), None),    # libwebsockets hangs up without a word
    (raw.frame("x" * 2000, length=1 << 63), None),
]


@pytest.mark.parametrize("data,code", BROKEN_FRAMES, ids=[f"{code}-{i}" for i, (_, code) in enumerate(BROKEN_FRAMES)])
def test_broken_frames(node, data, code):
    with Raw(node).welcomed("broken") as client:
        client.send(data)
        close = client.read_until(raw.CLOSE)
        assert (close and close.code) == code


def test_a_client_that_sends_nothing_but_nonsense_is_closed(node):
    before = node.metrics()
    with Raw(node).welcomed("abuser") as client:
        for _ in range(500):
            if not client.send(raw.frame("nonsense")):
                break
        assert client.close_code() == 4005
    after = node.metrics()
    assert after["grid_sessions_abuse_total"] == before["grid_sessions_abuse_total"] + 1
    assert " warn session.abuse " in node.log


# Heartbeat


async def test_a_quiet_client_is_pinged_and_a_dead_one_dropped(nodes, connect):
    node = nodes.local({"heartbeat.interval": "1s", "heartbeat.idle_timeout": "3s"})
    alive = await connect(node, "alive")
    assert alive.welcome["heartbeat"] == 1

    def watch():
        with Raw(node).welcomed("dead") as dead:
            assert dead.read().opcode == raw.PING  # not answered
            dead.read_until(raw.CLOSE)             # until the connection ends
    await asyncio.to_thread(watch)
    await alive.sync()
    assert node.metric("grid_net_idle_drops_total") == 1 and node.metric("grid_sessions") == 1
