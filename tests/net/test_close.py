"""Ends: closes by either side, clients that do not answer or do not read, heartbeats, and the end of the process."""
import contextlib
import socket
import struct
import time

import pytest

from rawws import CLOSE, PING, PONG, TEXT, frame, wait_for


def test_close_by_us_sends_the_queue_first(node):
    with node.websocket() as ws:
        ws.send(frame("flood 3000 200") + frame("close 1012") + frame("echo after"))
        frames = []
        while not frames or frames[-1][0] != CLOSE:
            frames.append(ws.frame())
        assert len(frames) == 3001 and frames[-1][1] == struct.pack("!H", 1012) + b"as told"
        ws.send(frame(struct.pack("!H", 1012), CLOSE))
        assert ws.ended() == "eof"
    wait_for(lambda: node.metric('grid_net_closed_total{how="1012"}') == 1)


def test_close_by_the_client_is_echoed(node):
    with node.websocket() as ws:
        ws.send(frame("echo last") + frame(struct.pack("!H", 1000) + b"bye", CLOSE))
        assert ws.text() == "last"
        assert ws.close_code() == 1000
        assert ws.ended() == "eof"
    wait_for(lambda: node.metric('grid_net_closed_total{how="client"}') == 1)


def test_both_close_at_once(node):
    with node.websocket() as ws:
        ws.send(frame("close 4001") + frame(struct.pack("!H", 1000), CLOSE))
        assert ws.close_code() in (4001, 1000)
        assert ws.ended() == "eof"


def test_our_close_goes_with_what_is_queued(node):
    """One frame or many: when the client has closed already there is no second send for the close frame."""
    for n in range(4):
        with node.websocket() as ws:
            ws.send(frame("echo last") * n + frame("close 4005") + frame(struct.pack("!H", 1000), CLOSE))
            assert [ws.text() for _ in range(n)] == ["last"] * n
            assert ws.close_code() == 4005
            assert ws.ended() == "eof"
    wait_for(lambda: node.metric('grid_net_closed_total{how="4005"}') == 4)


def test_gone_without_a_word(node):
    ws = node.websocket()
    ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ws.sock.close()
    node.websocket().sock.close()
    wait_for(lambda: node.metric('grid_net_closed_total{how="lost"}') == 2)
    assert node.metric("grid_net_connections") == 0


def test_gone_while_paused(nodes):
    node = nodes(interval=1000, idle=30000)
    with node.websocket() as ws:
        ws.send(frame("pause"))
    wait_for(lambda: node.metric("grid_net_connections") == 0)


def test_paused_for_long_is_not_idle(nodes):
    node = nodes(interval=1000, idle=3000)
    with node.websocket() as ws, node.websocket() as other:
        ws.send(frame("pause"))
        ws.sock.settimeout(0.2)
        pings, end = 0, time.monotonic() + 7
        while time.monotonic() < end:
            other.send(frame("echo x"))
            assert other.text() == "x"
            try:
                assert ws.frame() == (PING, b"g")
                pings += 1
            except socket.timeout:
                pass
        assert pings >= 3
        other.send(frame(f"resume {ws.id}"))
        ws.send(frame("echo here"))
        ws.sock.settimeout(15)
        frames = [ws.frame()]
        while frames[-1][0] == PING and len(frames) < 5:
            frames.append(ws.frame())
        assert frames[-1] == (TEXT, b"here")


def test_drop_is_a_reset(node):
    with node.websocket() as ws:
        ws.send(frame("drop"))
        assert ws.ended() == "reset"


def stuck(node, other, how):
    """A client that has stopped reading, with both windows full, then closed by us; seconds until it was reset."""
    ws = node.websocket()
    ws.send(frame("flood 40000 400"))
    writes = [-1]
    wait_for(lambda: writes.append(node.metric("grid_net_writes_total")) or len(set(writes[-5:])) == 1)
    began = time.monotonic()
    other.send(frame(f"{how} {ws.id}"))
    wait_for(lambda: node.metric("grid_net_resets_total") == 1, 8)
    return ws, time.monotonic() - began


def test_a_client_that_never_reads_is_reset(node):
    with node.websocket() as other:
        ws, seconds = stuck(node, other, "kill")
        assert 1.9 <= seconds <= 4.5
        wait_for(lambda: node.metric("grid_net_connections") == 1)
        assert node.metric('grid_net_closed_total{how="4004"}') == 1
        # not an orderly end: the kernel threw away what was unsent
        assert ws.ended() == "reset"
        ws.sock.close()


def test_a_slow_one_gets_all_and_the_close_frame(node):
    with node.websocket(rcvbuf=4096) as ws, node.websocket() as other:
        ws.send(frame("flood 25000 400"))
        for i in range(100):
            ws.text()
        other.send(frame(f"kill {ws.id}"))
        for i in range(100, 25000):
            if i % 2500 == 0:  # ten seconds in all
                end = time.monotonic() + 1
                while time.monotonic() < end:
                    other.send(frame("echo x"))
                    assert other.text() == "x"
            assert ws.text().startswith(f"{i} x")
        assert ws.close_code() == 4004
    assert node.metric("grid_net_resets_total") == 0


def test_a_close_nobody_answers_is_over_soon(node):
    with node.websocket() as ws:
        ws.send(frame("close 1012"))
        assert ws.close_code() == 1012
        began = time.monotonic()
        assert ws.ended() == "eof"
        assert 3 < time.monotonic() - began < 8
    assert node.metric("grid_net_unanswered_closes_total") == 1


def test_a_client_that_sends_on_after_our_close(node):
    with node.websocket() as ws:
        ws.send(frame("close 1012"))
        assert ws.close_code() == 1012
        ws.sock.settimeout(0.01)
        sent, end = 0, time.monotonic() + 12
        with pytest.raises(OSError):
            while time.monotonic() < end:
                try:
                    ws.sock.send(frame("echo " + "x" * 1000))
                    sent += 1
                except socket.timeout:
                    pass
        assert sent > 0 and time.monotonic() < end


def test_heartbeat(nodes):
    node = nodes(interval=1000, idle=4000)
    with node.websocket() as answers, node.websocket() as pings, node.websocket() as silent, node.websocket() as talks:
        opened = time.monotonic()
        silent.sock.settimeout(0.05)
        silent_ended = None
        end = opened + 8
        while time.monotonic() < end:
            for ws in (answers, pings, talks):
                ws.sock.settimeout(0.05)
            try:
                if answers.frame()[0] == PING:
                    answers.send(frame(b"g", PONG))
            except socket.timeout:
                pass
            pings.send(frame("", PING))  # answers no ping of ours, but sends some
            talks.send(frame("echo x"))
            if silent_ended is None:
                try:
                    if not silent.sock.recv(100):
                        silent_ended = time.monotonic()
                except socket.timeout:
                    pass
        assert silent_ended and 3.9 <= silent_ended - opened <= 6.5
        assert node.metric("grid_net_idle_drops_total") == 1
        assert node.metric('grid_net_closed_total{how="idle"}') == 1
        assert node.metric("grid_net_connections") == 3
        assert node.metric("grid_net_pings_total") >= 5


def test_who_came_one_after_the_other_is_pinged_so(nodes):
    """All of one second in one go would hold up what others get."""
    node = nodes(interval=2000, idle=60000)
    with contextlib.ExitStack() as clients:
        opened = []
        for _ in range(8):
            opened.append(clients.enter_context(node.websocket()))
            time.sleep(0.12)  # so that they fill a second
        came = []
        for ws in opened:
            assert ws.frame() == (PING, b"g")
            came.append(time.monotonic())
    assert sum(later - sooner > 0.05 for sooner, later in zip(came, came[1:])) >= 3


def test_a_connection_that_talks_is_not_pinged(nodes):
    node = nodes(interval=2000, idle=6000)
    with node.websocket() as ws:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            ws.send(frame("echo x"))
            assert ws.text() == "x"
    assert node.metric("grid_net_pings_total") == 0


def test_end_with_many_sockets_in_every_state(nodes):
    node = nodes()
    sockets = [node.websocket() for _ in range(1000)]
    sockets += [node.connect() for _ in range(50)]
    for i, ws in enumerate(sockets[:400]):
        if i % 4 == 0:
            ws.send(frame("flood 2000 400"))
        elif i % 4 == 1:
            ws.send(frame("pause") + frame("echo 1"))
        elif i % 4 == 2:
            ws.send(frame("close 1012"))
        else:
            ws.send(frame("flood 2000 400") + frame("close 4004"))
    sockets[1000].send(b"GET /ws HT")
    last = sockets[999]
    last.send(frame("end"))
    assert node.process.wait(60) == 0
    log = node.stop()
    assert "opened=1000 closed=1000" in log
    for ws in sockets:
        ws.sock.close()
