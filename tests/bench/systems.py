"""The systems that are measured side by side. Each is started anew for each run, on free ports of this machine."""

import contextlib
import pathlib
import re
import shutil
import subprocess

from gridtest.nodes import Nodes
from gridtest.nginx import NGINX
from gridtest.redis import PASSWORD, SECRET
from gridtest.util import ROOT, free_port, wait_for

from .generator import GRIDBENCH
from .place import Process, children

OTHERS = pathlib.Path(__file__).parent / "others"
NPM = ROOT / "build" / "bench" / "others"  # where scripts/bench installs what OTHERS needs
NATS = shutil.which("nats-server") or "/usr/sbin/nats-server"


class System:
    """What gridbench has to know of a server, and which processes to watch: `node` is what is measured, `beside` the
    broker it stands on, if it has one."""

    title = ""
    dialect = "plain"
    amqp = False  # whether backends publish to it by AMQP, not over a websocket
    login = None

    def __init__(self, place, folder):
        self.place, self.folder = place, folder
        self.port = free_port()
        self.undo = contextlib.ExitStack()
        self.node = ()
        self.beside = ()

    def __enter__(self):
        with self.undo:
            self.start()
            assert self.node, f"{self.title}: no process to measure"
            self.undo = self.undo.pop_all()
        return self

    def __exit__(self, *_):
        self.undo.close()

    def start(self):
        raise NotImplementedError

    def run(self, name, command, port=None):
        """One of its processes, which listens; its pid."""
        process = Process(self.folder, name, command)
        self.undo.callback(process.stop)
        process.wait_listening(port or self.port)
        return process.pid

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/"

    publish_url = None

    @property
    def amqp_uri(self):
        return self.place.grid.amqp_uri("publisher")

    @property
    def options(self):
        """Those of gridbench."""
        options = {"url": self.url, "dialect": self.dialect}
        if self.amqp:
            options |= {"via": "amqp", "amqp": self.amqp_uri}
        if self.publish_url:
            options["publish-url"] = self.publish_url
        if self.login:
            options["login"] = self.login
        return options | {"watch": self.watched}

    @property
    def watched(self):
        rows = {"node": self.node, "beside": self.beside}
        return [f"{name}={'+'.join(map(str, pids))}" for name, pids in rows.items() if pids]

    @staticmethod
    def version():
        """None: it is ours."""


class Limit(System):
    """A bare epoll loop: one send() for each receiver and message, and nothing else."""

    title = "the limit: one send each"
    arguments = ()

    def start(self):
        self.node = (self.run("limit", [GRIDBENCH, "limit", "--listen", f"127.0.0.1:{self.port}", *self.arguments]),)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/sub/{{room}}"

    @property
    def publish_url(self):
        return f"ws://127.0.0.1:{self.port}/pub/{{room}}"


class LimitUsers(Limit):
    """The same with a room for each user."""

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/sub/{{user}}"

    @property
    def publish_url(self):
        return f"ws://127.0.0.1:{self.port}/pub/{{user}}"


class LimitBatch(Limit):
    """What came in 5 ms is sent together."""

    title = "the limit: one send in 5 ms"
    arguments = ("--batch", "5ms")


class Gridnode(System):
    """With the `local` driver."""

    title = "gridnode, local"
    dialect = "grid"

    def start(self):
        self.nodes = Nodes(self.folder)
        self.undo.callback(self._end_nodes)
        self.one = self.begin()
        self.node = (self.one.pid,)

    def begin(self):
        return self.nodes.local()

    def _end_nodes(self):
        # It prints the ends of their logs, which are in the folder anyway.
        with open(self.folder / "nodes.txt", "w", encoding="utf-8") as text, contextlib.redirect_stdout(text):
            self.nodes.close()

    @property
    def url(self):
        return self.one.url


class GridnodeRabbitmq(Gridnode):
    title = "gridnode, rabbitmq"
    amqp = True

    def begin(self):
        self.beside = (self.place.broker.pid,)
        return self.begin_another()

    def begin_another(self, address=None):
        """A node; `address`: where it thinks that the broker is."""
        node = self.nodes.new_on(self.place.grid, address=address)
        self.undo.callback(self.place.forget, f"grid.node.{node.id}")
        # Nodes are ended after what was put on the stack later: its queue must be free before it is deleted.
        self.undo.callback(self._end_node, node)
        return node.start()

    @staticmethod
    def _end_node(node):
        if node.running():
            node.stop()


class Relay(GridnodeRabbitmq):
    """Two nodes: clients are on one, publishers on the other. Both are measured together."""

    amqp = False

    def start(self):
        super().start()
        self.other = self.begin_another()
        self.node += (self.other.pid,)

    @property
    def publish_url(self):
        return self.other.url


class BehindProxy(GridnodeRabbitmq):
    """Its links to the broker can be cut."""

    def __init__(self, place, folder, proxy):
        super().__init__(place, folder)
        self.proxy = proxy

    def begin(self):
        return self.begin_another(self.proxy.address)


class GridnodeRedis(Gridnode):
    title = "gridnode, redis"

    def begin(self):
        redis = self.place.redis
        self.beside = (redis.process.pid,)
        environment = {"GRIDNODE_BUS_REDIS_PASSWORD": PASSWORD, "GRIDNODE_BUS_REDIS_SECRET": SECRET}
        return self.nodes.new("redis", {"bus.redis.address": redis.address}, environment=environment).start()


def from_template(system, name):
    """A configuration file of OTHERS with this run's port and folder in it."""
    text = (OTHERS / name).read_text().replace("PORT", str(system.port)).replace("FOLDER", str(system.folder))
    path = system.folder / name
    path.write_text(text)
    return path


def printed(*command):
    """What it says about itself, whichever way."""
    done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=True)
    return done.stdout + done.stderr


class Nats(System):
    title = "nats-server"
    dialect = "nats"

    def start(self):
        self.node = (self.run("nats", [NATS, "-c", from_template(self, "nats.conf")]),)

    @staticmethod
    def version():
        return "nats-server " + re.search(r"v([\d.]+)", printed(NATS, "--version")).group(1)


class Nchan(System):
    title = "Nchan"

    def start(self):
        command = [NGINX, "-e", self.folder / "nginx.log", "-p", self.folder, "-c", from_template(self, "nchan.conf")]
        master = self.run("nginx", command)
        # It listens before it has its worker.
        self.node = tuple(wait_for(lambda: children(master), what="nginx' worker"))

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/sub?room={{room}}"

    @property
    def publish_url(self):
        return f"ws://127.0.0.1:{self.port}/pub?room={{room}}"

    @staticmethod
    def version():
        nchan = printed("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan")
        return f"Nchan {re.search(r'(?:.*:)?([^+-]*)', nchan).group(1)}"


class NchanTwice(Nchan):
    """With a channel for the user, too."""

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/both?room={{room}}&user={{user}}"


class WebStomp(System):
    """Which is the broker itself."""

    title = "RabbitMQ Web STOMP"
    dialect = "stomp"
    amqp = True

    def start(self):
        self.grid, self.port = self.place.stomp
        self.node = (self.grid.broker.pid,)
        self.login = f"grid-admin:{self.grid.password('admin')}"

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def amqp_uri(self):
        return self.grid.amqp_uri("publisher")


class SocketIo(System):
    title = "Socket.IO, Redis adapter"
    dialect = "socketio"

    def start(self):
        redis = self.place.redis
        self.beside = (redis.process.pid,)
        script = in_npm("socketio.js")
        self.node = (self.run("socketio", ["node", script, self.port, f"redis://default:{PASSWORD}@{redis.address}"]),)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/socket.io/"

    @staticmethod
    def version():
        return f"Socket.IO {npm_version('socket.io')} with its Redis adapter {npm_version('@socket.io/redis-adapter')}"


class Bridge(System):
    """Node.js, ws, amqplib, one exclusive queue."""

    title = "naive bridge"
    amqp = True
    query = "room={room}"

    def start(self):
        self.beside = (self.place.broker.pid,)
        script = in_npm("bridge.js")
        self.node = (self.run("bridge", ["node", script, self.port, self.place.grid.amqp_uri("admin")]),)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/?{self.query}"

    @staticmethod
    def version():
        return f"ws {npm_version('ws')} and amqplib {npm_version('amqplib')} on Node.js {printed('node', '--version').strip()[1:]}"


class BridgeUsers(Bridge):
    query = "user={user}"


class BridgeBoth(Bridge):
    query = "room={room}&user={user}"


def in_npm(name):
    """The script where its modules are found."""
    path = NPM / name
    assert path.exists(), f"{path} is missing: scripts/bench installs it"
    return path


def npm_version(module):
    return re.search(r'"version": "([^"]+)"', (NPM / "node_modules" / module / "package.json").read_text()).group(1)


SYSTEMS = {
    "limit": Limit, "limit-batch": LimitBatch, "local": Gridnode, "rabbitmq": GridnodeRabbitmq, "redis": GridnodeRedis,
    "nats": Nats, "nchan": Nchan, "stomp": WebStomp, "socketio": SocketIo, "bridge": Bridge,
}
