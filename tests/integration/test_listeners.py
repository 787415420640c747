"""Where a node listens, for clients and for operators, and what it tells the latter."""

import http.client
import socket
import stat

import pytest

from gridtest.nodes import run_gridnode
from gridtest.util import free_port

METRICS = [
    "grid_sessions", "grid_sessions_opened_total", "grid_sessions_unauthorized_total", "grid_sessions_too_slow_total",
    "grid_sessions_abuse_total", "grid_frames_sent_total", "grid_fanout_total", "grid_expired_total",
    "grid_held", "grid_held_delivered_total", 'grid_held_handed_over_total{reason="time"}',
    'grid_strays_total{kind="user"}', 'grid_strays_total{kind="room"}', "grid_queued_bytes",
    'grid_requests_total{op="join"}', 'grid_requests_total{op="leave"}', 'grid_requests_total{op="publish"}',
    'grid_requests_total{op="ping"}', 'grid_errors_total{code="bad_json"}', 'grid_errors_total{code="unavailable"}',
    "grid_bus_up", "grid_bus_blocked", "grid_bus_messages_total", "grid_bus_binds_total", "grid_bus_unbinds_total",
    'grid_bus_bind_results_total{result="refused"}', 'grid_bus_publish_results_total{result="confirmed"}',
    "grid_bus_publishing", "grid_bus_unsettled", "grid_topics", "grid_publish_timeouts_total",
    "grid_net_connections", "grid_net_established_total", "grid_net_pings_total", "grid_net_resets_total",
    'grid_net_closed_total{how="4004"}', 'grid_net_rejected_total{reason="subprotocol"}',
]


@pytest.fixture(scope="module")
def unix_path(tmp_path_factory):
    return tmp_path_factory.mktemp("sockets") / "ws.sock"


@pytest.fixture(scope="module")
def node(module_nodes, unix_path):
    return module_nodes.local({"listen.addresses": f"127.0.0.1,::1,unix:{unix_path}"})


async def test_clients_of_all_address_families_meet(node, unix_path, connect):
    clients = [await connect(node, "v4"), await connect(f"ws://[::1]:{node.port}/ws", "v6"),
               await connect(f"ws://localhost:{node.port}/ws", "unix", unix=unix_path)]
    for client in clients:
        await client.join("families")
    for client in clients:
        await client.publish(room="families", data=client.welcome["user"])
    for client in clients:
        await client.wait_data("v4", "v6", "unix")
        assert await client.close() == 1000


def test_a_proxy_of_another_account_may_connect_to_the_unix_socket(node, unix_path):
    assert stat.S_IMODE(unix_path.stat().st_mode) == 0o666


async def test_subprotocols(node, connect):
    assert (await connect(node, "s", subprotocols=["grid.v1.json"])).socket.subprotocol == "grid.v1.json"
    assert (await connect(node, "s", subprotocols=["x", "grid.v1.json"])).socket.subprotocol == "grid.v1.json"
    assert (await connect(node, "s")).socket.subprotocol is None
    with pytest.raises(Exception, match="400"):
        await connect(node, "s", subprotocols=["grid.v9.json", "chat"])


def test_admin(node):
    assert node.get("/healthz") == (200, "ok\n")
    assert node.get("/readyz") == (200, "ready\n")
    assert node.get("/nothing")[0] == 404
    assert node.get("/healthz", "POST")[0] == 405
    assert node.get("/metrics", "HEAD") == (200, "")
    metrics = node.metrics()
    assert [name for name in METRICS if name not in metrics] == []


def test_what_the_metrics_say_of_themselves(node):
    """Each family once, with help and type, and only names and values as Prometheus wants them."""
    _, text = node.get("/metrics")
    families = [line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    for line in text.splitlines():
        if not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            assert name in families and float(line.rsplit(" ", 1)[1]) >= 0
            assert name.endswith("_total") == (f"# TYPE {name} counter" in text)


async def test_metrics_count(node, connect):
    before = node.metrics()
    client = await connect(node, "counted")
    await client.join("counted")
    await client.publish(room="counted", data=1)
    await client.fails("leave", room="elsewhere")
    await client.wait_data(1)
    after = node.metrics()
    more = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    for name in ("grid_sessions", "grid_sessions_opened_total", 'grid_requests_total{op="join"}',
                 'grid_requests_total{op="publish"}', 'grid_requests_total{op="leave"}', "grid_bus_messages_total",
                 'grid_errors_total{code="not_joined"}', "grid_fanout_total",
                 'grid_bus_publish_results_total{result="confirmed"}'):
        assert more.pop(name) == 1, name
    assert more["grid_bus_binds_total"] == 2 and more["grid_frames_sent_total"] == 5


def test_admin_on_a_unix_socket(nodes, tmp_path):
    path = tmp_path / "admin.sock"
    node = nodes.new("local", {"admin.address": f"unix:{path}"}).spawn()
    node.wait_log("node.ready")
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("GET", "/readyz")
    assert connection.getresponse().read() == b"ready\n"
    connection.close()
    assert node.stop() == 0 and not path.exists()


def test_sources_of_configuration_and_their_order(tmp_path):
    """File, then environment, then --set; the short flags are --set."""
    path = tmp_path / "gridnode.conf"
    path.write_text('bus: { driver = "local"; prefix = "from-file"; publish_window = 7; };\n'
                    'listen: { port = 6001; };\nlog: { level = "error"; };\n')
    environment = {"GRIDNODE_BUS_PREFIX": "from-environment", "GRIDNODE_BUS_PUBLISH_WINDOW": "8"}
    done = run_gridnode("-c", path, "--set", "bus.publish_window=9", "--port", "6002", "--print-config",
                        environment=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for line in ("bus.driver = local", "bus.prefix = from-environment", "bus.publish_window = 9", "listen.port = 6002",
                 "log.level = error"):
        assert line in lines


def test_a_wrong_configuration_opens_nothing(tmp_path):
    """A port that is in use would be exit 1: it is not even tried."""
    path = tmp_path / "gridnode.conf"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for text, said in [("\nlimits: { frame = 1; };", ":2: limits.frame: "), ("bus: { drivr = 1; };", "bus.drivr"),
                           ('heartbeat: { interval = true; };', "heartbeat.interval: "), ("bus: {", ":")]:
            path.write_text(text)
            done = run_gridnode("-c", path, "--driver", "local", "--port", port, "--set", f"admin.port={free_port()}")
            assert done.returncode == 2 and done.stderr.startswith(str(path)) and said in done.stderr, done.stderr
        done = run_gridnode("--driver", "local", "--port", port, "--set", f"admin.port={free_port()}")
        assert done.returncode == 1 and f"port {port}: the port is taken" in done.stderr

