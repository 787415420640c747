"""What the documents tell people to type, typed."""

import os
import re
import subprocess

import pika
import pytest

from gridtest.util import ROOT, wait_for

RABBITMQADMIN = (ROOT / "docs" / "rabbitmqadmin.md").read_text()
TOPOLOGY = (ROOT / "docs" / "topology.md").read_text()


def v1_commands():
    """The code in the second column of every table."""
    for line in RABBITMQADMIN.splitlines():
        cells = re.split(r"(?<!\\)\|", line)
        if len(cells) == 5:
            yield from (code.replace("\\|", "|") for code in re.findall(r"`(rabbitmqadmin [^`]*)`", cells[2]))


V1 = list(v1_commands())


@pytest.fixture(scope="module")
def operator(grid, tmp_path_factory):
    """A home with the operator's configuration, and a grid with something to see. The administrator's connection."""
    home = tmp_path_factory.mktemp("operator")
    file = home / ".rabbitmqadmin.conf"
    file.write_text("[default]\nhostname = {}\nport = {}\nusername = grid-operator\npassword = {}\nvhost = {}\n".format(
        grid.broker.host, grid.broker.management_port, grid.password("operator"), grid.vhost))
    file.chmod(0o600)
    with grid.connect("node") as node, grid.connect("admin") as admin:
        node.channel().basic_consume(declare_node(node, "grid.node.n1"), lambda *_: None, exclusive=True)
        declare_node(node, "grid.node.n3")
        channel = admin.channel()
        channel.queue_declare("audit")
        channel.queue_bind("audit", "grid.users", "#")
        channel.basic_publish("grid.unrouted", "user.absent", b"kept")
        # Some columns come with the first statistics only.
        wait_for(lambda: all("policy" in row for row in grid.broker.api("GET", "queues", grid.vhost)
                             if row["name"] != "audit"), timeout=30, what="statistics of the queues")
        wait_for(lambda: connections_of(grid, "node") and connections_of(grid, "admin"), timeout=30,
                 what="statistics of the connections")
        yield home
    with grid.connect("admin") as admin:
        admin.channel().queue_delete("audit")


def connections_of(grid, role):
    return [row["name"] for row in grid.broker.api("GET", "connections") if row.get("user") == grid.account(role)]


def declare_node(connection, queue):
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, "grid.users", "user.42.#")
    return queue


def run(grid, home, command):
    """As in a shell of the operator's; what was printed."""
    command = command.replace("-u admin -p …", f"-u grid-admin -p {grid.broker.admin_password}")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], text=True, capture_output=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(home)})
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_there_are_commands():
    assert len(V1) >= 15


@pytest.mark.parametrize("command", [command for command in V1 if "close connection" not in command])
def test_rabbitmqadmin(grid, operator, command):
    assert run(grid, operator, command).strip()


def test_encoded_user(grid, operator):
    command, = re.findall(r"^    (rabbitmqadmin publish .*\n(?:     .*\n)+)", RABBITMQADMIN, re.M)
    grid.api("DELETE", "queues", "audit")
    with grid.connect("admin") as connection:
        channel = connection.channel()
        channel.queue_purge("grid.offline")
        run(grid, operator, command)
        method, _, body = wait_for(lambda: got(channel.basic_get("grid.offline", auto_ack=True)))
    assert (method.routing_key, body) == ("user.jane%40example%2Ecom", b'{"hi":1}')


def got(message):
    return message if message[0] else None


def test_close_connection(grid, operator):
    command, = [command for command in V1 if "close connection" in command]
    connection = grid.connect("worker")
    name, = wait_for(lambda: connections_of(grid, "worker"), timeout=30)
    run(grid, operator, command.replace("127.0.0.1:49258 -> 127.0.0.1:5672", name))
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        connection.process_data_events(time_limit=30)


def test_worker_empties_the_offline_queue(grid, tmp_path):
    code, = re.findall(r"```python\n(.*?)```", TOPOLOGY, re.S)
    script, said = tmp_path / "worker.py", tmp_path / "said"
    script.write_text(code)
    with grid.connect("admin") as connection:
        channel = connection.channel()
        channel.queue_delete("audit")  # what others here bound to grid.users
        channel.queue_purge("grid.offline")
        channel.basic_publish("grid.users", "user.jane%40example", b"one")
        channel.basic_publish("grid.unrouted", "user.7", b"two")
        channel.basic_publish("grid.expired", "user.8.n", b"three")
    with said.open("w") as out:
        worker = subprocess.Popen(["/usr/bin/python3", script, grid.amqp_uri("worker")], stdout=out,
                                  env={"PATH": os.environ["PATH"]})
    try:
        wait_for(lambda: len(said.read_text().splitlines()) == 3, what="three lines")
        wait_for(lambda: grid.api("GET", "queues", "grid.offline").get("messages") == 0, what="offline queue empty")
    finally:
        worker.kill()
        worker.wait()
    assert said.read_text().splitlines() == ["jane@example: None (absent) one", "7: None (absent, from a node) two",
                                             "8: None (expired) three"]
