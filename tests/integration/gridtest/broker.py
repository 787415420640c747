"""A RabbitMQ of the tests' own, or a cluster of three, and grids (virtual hosts with their topology) in it."""

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import urllib.parse

import pika

from .util import ROOT, free_port

PRIVATE_BROKER = ROOT / "scripts" / "lib" / "private-broker"
PRIVATE_CLUSTER = ROOT / "scripts" / "lib" / "private-cluster"
PROVISION = ROOT / "scripts" / "provision"
ROLES = ("node", "publisher", "operator", "worker", "service")


def run_script(script, command, *arguments):
    """One of the two scripts above; what it printed."""
    done = subprocess.run([script, command, *map(str, arguments)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=180)
    assert done.returncode == 0, f"{script.name} {command}: {done.stderr}{done.stdout}"
    return done.stdout


class Broker:
    """One private broker. Keeps its ports and data over stop and start. `more`: options of `private-broker start`."""

    def __init__(self, folder, amqp_port=None, management_port=None, more=()):
        self.folder = folder
        self.more = more
        self.host = "127.0.0.1"
        self.amqp_port = amqp_port or free_port()
        self.management_port = management_port or free_port()

    @property
    def address(self):
        return f"{self.host}:{self.amqp_port}"

    @property
    def erlang_node(self):
        """As queues name their home."""
        return (self.folder / "node-name").read_text().strip() + "@localhost"

    @property
    def management_url(self):
        return f"http://{self.host}:{self.management_port}"

    @property
    def admin_password(self):
        return (self.folder / "admin-password").read_text()

    @property
    def pid(self):
        return int((self.folder / "pid").read_text())

    def _run(self, command, *arguments):
        return run_script(PRIVATE_BROKER, command, self.folder, *arguments)

    def start(self):
        self._run("start", "--amqp-port", self.amqp_port, "--management-port", self.management_port, *self.more)

    def stop(self):
        self._run("stop")

    def kill(self):
        """As a crash would end it; start() brings it back."""
        self._run("kill")

    def freeze(self):
        """Its sockets stay, and nothing goes in or out; thaw() ends that."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def ctl(self, *arguments):
        """rabbitmqctl; what it printed."""
        return self._run("ctl", "-q", *arguments)

    def api(self, method, *path, body=None, none=(404,)):
        """The management API as the administrator: the decoded answer, None on a status of `none`."""
        url = "/api/" + "/".join(urllib.parse.quote(part, safe="") for part in path)
        login = base64.b64encode(f"grid-admin:{self.admin_password}".encode()).decode()
        connection = http.client.HTTPConnection(self.host, self.management_port, timeout=30)
        try:
            connection.request(method, url, None if body is None else json.dumps(body),
                               {"Authorization": "Basic " + login, "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status in none:
            return None
        assert answer.status < 300, f"{method} {url}: {answer.status} {text.decode()}"
        return json.loads(text) if text else {}


class Cluster:
    """Three private brokers that know each other; `brokers` are there once it runs."""

    def __init__(self, folder):
        self.folder = folder
        self.brokers = []

    def start(self):
        run_script(PRIVATE_CLUSTER, "start", self.folder)
        self.brokers = [Broker(folder, *(int((folder / name).read_text()) for name in ("amqp-port", "management-port")))
                        for folder in sorted(self.folder.glob("[1-9]"))]

    def stop(self):
        run_script(PRIVATE_CLUSTER, "stop", self.folder)

    def kill(self):
        run_script(PRIVATE_CLUSTER, "kill", self.folder)

    def partition(self, broker):
        """Cuts one off from the others."""
        run_script(PRIVATE_CLUSTER, "partition", self.folder, broker.folder.name)

    def heal(self, broker):
        """Ends that; it has joined the others again."""
        run_script(PRIVATE_CLUSTER, "heal", self.folder, broker.folder.name)

    def addresses(self, first):
        """For bus.rabbitmq.addresses: all, in turn, beginning with that one."""
        at = self.brokers.index(first)
        return ",".join(broker.address for broker in self.brokers[at:] + self.brokers[:at])


class Grid:
    """One virtual host with the topology in it. Accounts belong to the whole broker: grids share them when they share
    the prefix, each with its own permissions."""

    def __init__(self, broker, vhost, prefix="grid"):
        self.broker, self.vhost, self.prefix = broker, vhost, prefix
        self.passwords_file = broker.folder / f"{prefix}-passwords"

    def provision(self, *arguments, accounts=True, environment=None):
        """Runs scripts/provision for this grid; the finished process."""
        command = [PROVISION, "--url", self.broker.management_url, "--user", "grid-admin",
                   "--password-file", self.broker.folder / "admin-password", "--vhost", self.vhost,
                   "--prefix", self.prefix, *arguments]
        if accounts:
            command += ["--passwords", self.passwords_file]
        return subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
                              env={"PATH": os.environ["PATH"], **(environment or {})})

    def create(self):
        done = self.provision("--generate-passwords")
        assert done.returncode == 0, done.stdout + done.stderr
        # For the tests' own handiwork; whoever creates a virtual host over the API has this anyway.
        self.broker.ctl("set_permissions", "-p", self.vhost, "grid-admin", ".*", ".*", ".*")

    def seen_from(self, broker):
        """The same grid through another broker of the cluster."""
        grid = Grid(broker, self.vhost, self.prefix)
        grid.passwords_file = self.passwords_file
        return grid

    def delete(self):
        self.broker.api("DELETE", "vhosts", self.vhost)

    def account(self, role):
        return "grid-admin" if role == "admin" else f"{self.prefix}-{role}"

    def password(self, role):
        """Of one of ROLES, or of the administrator (`admin`)."""
        if role == "admin":
            return self.broker.admin_password
        return re.search(rf"^{self.account(role)}=(.*)$", self.passwords_file.read_text(), re.M).group(1)

    def amqp_uri(self, role):
        return (f"amqp://{self.account(role)}:{self.password(role)}@{self.broker.host}:{self.broker.amqp_port}/"
                + urllib.parse.quote(self.vhost, safe=""))

    def connect(self, role):
        """A pika.BlockingConnection as that account; close it."""
        return pika.BlockingConnection(pika.ConnectionParameters(
            self.broker.host, self.broker.amqp_port, self.vhost,
            pika.PlainCredentials(self.account(role), self.password(role)), heartbeat=0, socket_timeout=30,
            blocked_connection_timeout=60))

    def api(self, method, kind, *path, body=None):
        """The management API on this virtual host: api("GET", "queues", "grid.offline")."""
        return self.broker.api(method, kind, self.vhost, *path, body=body)

    def is_routed(self, exchange, key):
        """Would the broker put a message to this key into any queue? One is published to see that."""
        connection = self.connect("admin")
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            channel.basic_publish(f"{self.prefix}.{exchange}", key, b'"probe"', mandatory=True)
            return True
        except pika.exceptions.UnroutableError:
            return False
        finally:
            connection.close()

    def forget_binding(self, exchange, key):
        """Unbinds it behind its node's back, as a broker that crashed may have forgotten it."""
        rows = [row for row in self.bindings_of(exchange) if row[1] == key]
        connection = self.connect("admin")
        for queue, _ in rows:
            connection.channel().queue_unbind(queue, f"{self.prefix}.{exchange}", key)
        connection.close()
        assert rows, f"nobody has bound {key}"

    def bindings_of(self, exchange):
        """[(destination, routing key)] of one exchange, sorted; `exchange` without the prefix: "users"."""
        rows = self.api("GET", "exchanges", f"{self.prefix}.{exchange}", "bindings", "source")
        return sorted((row["destination"], row["routing_key"]) for row in rows)
