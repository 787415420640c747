"""A crowd comes in: a few at a time, while more keys wait than the bus takes; and those who are in are served meanwhile."""
import socket

import pytest

from rawws import frame, handshake, wait_for

MANY = 200


@pytest.fixture
def insider(node):
    with node.websocket() as ws:
        ws.send(frame("crowd"))
        assert ws.text() == "crowd"
        yield ws


def knock(node):
    raw = node.connect()
    raw.send(handshake())
    return raw


def test_all_come_in(node, insider):
    crowd = [knock(node) for _ in range(MANY)]
    insider.send(frame("echo hi"))
    assert insider.text() == "hi"
    for raw in crowd:
        assert raw.opened().startswith("hello ")
        raw.send(frame("echo in"))
        assert raw.text() == "in"
        raw.sock.close()
    assert node.metric("grid_net_put_off_total") == MANY
    assert node.metric("grid_net_established_total") == MANY + 1


def test_what_was_sent_meanwhile_is_read(node, insider):
    with node.connect() as raw:
        raw.send(handshake() + frame("echo at once"))
        raw.send(frame("echo later"))
        raw.opened()
        assert [raw.text(), raw.text()] == ["at once", "later"]


def test_who_hung_up_does_not_come_in(node, insider):
    with node.connect() as raw:
        raw.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # the end comes with the request, not a moment later
        raw.send(handshake())
    wait_for(lambda: node.metric('grid_net_rejected_total{reason="gone"}') == 1)
    assert node.metric("grid_net_established_total") == 1


def test_nobody_waits_when_it_is_over(node, insider):
    crowd = [knock(node) for _ in range(MANY)]
    wait_for(lambda: node.metric("grid_net_put_off_total") > 0)
    insider.send(frame("alone"))
    assert insider.text() == "alone"
    for raw in crowd:
        assert raw.opened().startswith("hello ")
    before = node.metric("grid_net_put_off_total")
    with node.websocket():
        assert node.metric("grid_net_put_off_total") == before
    for raw in crowd:
        raw.sock.close()


def test_it_ends_with_a_crowd_before_the_door(node, insider):
    crowd = [knock(node) for _ in range(MANY)]
    wait_for(lambda: node.metric("grid_net_put_off_total") > 0)
    insider.send(frame("end"))
    node.process.wait(20)
    for raw in crowd:
        raw.sock.close()
