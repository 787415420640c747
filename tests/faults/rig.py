"""What a case breaks: brokers that all cases share, and a grid of its own for each with nodes and load."""

import contextlib
import http.client
import signal
import time

from gridtest.broker import Broker, Cluster, Grid
from gridtest.nodes import Nodes
from gridtest.redis import PASSWORD, SECRET, Redis
from gridtest.tcpproxy import Proxy
from gridtest.util import wait_for

from .bench import Bench

STEADY_SECONDS = 3.0  # of load before and after the fault
SETTLE_SECONDS = 90   # at most, for what is still under way: a dead node's queue is looked after within 30 to 60
LOAD = {"connections": 200, "rooms": 10, "publishers": 8, "via": "both", "to": "both", "rate": 800,
        "duration": "10m", "settle": f"{SETTLE_SECONDS}s", "examples": 20}

READYZ = {"primary": "ready: primary\n", "fallback": "ready: fallback\n", "both": "ready: both\n",
          "down": "not ready: the bus is down\n"}
WAY_SECONDS = 90  # a bus that falls again and again is not trusted for up to 30 s


def _is_whole(node):
    metrics = node.metrics()
    return metrics['grid_bus_up{bus="fallback"}'] and not any(
        metrics[f'grid_failover_owed{{bus="{bus}"}}'] for bus in ("primary", "fallback"))


class Brokers:
    """One broker, one cluster and one Redis, started when first asked for, whole again before each case."""

    def __init__(self, folder):
        self.folder = folder
        self._broker, self._cluster = Broker(folder / "broker"), Cluster(folder / "cluster")
        self._redis = Redis(folder / "redis")
        self.running = set()
        self._version = None  # of RabbitMQ, once one runs

    @property
    def versions(self):
        redis = [f"Redis {self._redis.version()}"] if self._redis in self.running else []
        return ", ".join([f"RabbitMQ {self._version}", *redis])

    @property
    def broker(self):
        return self._running(self._broker)

    @property
    def cluster(self):
        return self._running(self._cluster)

    @property
    def redis(self):
        return self._running(self._redis)

    def _running(self, one):
        # Also when it runs: a case that broke off may have left parts of it down.
        one.start()
        self.running.add(one)
        return one

    def note_version(self, broker):
        self._version = broker.api("GET", "overview")["rabbitmq_version"]

    def close(self):
        for one in self.running:
            one.kill()  # nobody needs its data, and a clean stop takes seconds
            one.stop()


class Rig:
    """A grid with its nodes, and a load on it. `broker` is where backends publish and where grid.offline lives."""

    def __init__(self, brokers, folder, case):
        self.case, self.folder = case, folder
        self.cluster = brokers.cluster if case.cluster else None
        # Of three the last, which no case breaks.
        self.broker = self.cluster.brokers[-1] if case.cluster else brokers.broker
        self.redis = brokers.redis if case.fallback else None
        brokers.note_version(self.broker)
        self.grid = Grid(self.broker, f"faults-{case.name}")
        self.proxy = Proxy(self._first_broker())
        self.nodes = []
        self.bench = None
        self._undo = None

    def _first_broker(self):
        broker = self.cluster.brokers[0] if self.cluster else self.broker
        return broker.host, broker.amqp_port

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.callback(self.proxy.close)
            self.grid.create()
            undo.callback(self.grid.delete)
            family = Nodes(self.folder)
            undo.callback(self._end_nodes, family)
            for number in range(1, self.case.nodes + 1):
                self.nodes.append(self._new_node(family, number).start())
            undo.callback(self._let_go)
            self.wait_nodes_ready()
            self.case.prepare(self)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_):
        self._undo.close()

    def _end_nodes(self, family):
        # It prints the ends of their logs, which are in the folder anyway.
        with open(self.folder / "nodes.txt", "w", encoding="utf-8") as text, contextlib.redirect_stdout(text):
            family.close()

    def _let_go(self):
        """Of what a case that broke off left frozen or under way."""
        for node in self.nodes:
            if node.running():
                node.process.send_signal(signal.SIGCONT)
                self._keep_metrics(node)
        if self.bench:
            self.bench.close()

    def _keep_metrics(self, node):
        with contextlib.suppress(OSError, http.client.HTTPException):
            (self.folder / f"{node.id}.metrics").write_text(node.get("/metrics")[1], encoding="utf-8")

    def _new_node(self, family, number):
        settings = {"node.id": f"n{number}", **self.case.settings}
        if self.case.journal:
            settings["state_dir"] = self.folder
        environment = {}
        if self.redis:
            settings |= {"bus.fallback": "redis", "bus.redis.address": self.redis.address}
            environment |= {"GRIDNODE_BUS_REDIS_PASSWORD": PASSWORD, "GRIDNODE_BUS_REDIS_SECRET": SECRET}
        return family.new_on(self.grid, settings, address=self._addresses(number), environment=environment)

    def _addresses(self, number):
        """The first node reaches its broker through the proxy; in a cluster it is the only one on the first broker."""
        if self.cluster:
            _, second, third = (broker.address for broker in self.cluster.brokers)
            return f"{self.proxy.address},{second},{third}" if number == 1 else f"{third},{second}"
        return self.proxy.address if number == 1 else self.broker.address

    # For the cases

    @property
    def node(self):
        """The one that bad things happen to."""
        return self.nodes[0]

    def wait_home(self, broker):
        """Waits until the cluster knows that the queue of `node` lives on that broker."""
        name = f"{self.grid.prefix}.node.{self.node.id}"
        wait_for(lambda: (self.grid.api("GET", "queues", name) or {}).get("node") == broker.erlang_node, 30,
                 f"{name} on {broker.erlang_node}", interval=0.2)

    def wait_nodes_ready(self):
        """With a fallback also until it is one again, and messages go over the broker."""
        for node in self.nodes:
            node.wait_ready()
        if self.redis:
            self.wait_way("primary")
            wait_for(lambda: all(map(_is_whole, self.nodes)), WAY_SECONDS, "all is bound on both buses", interval=0.1)

    def wait_way(self, way, *nodes):
        """With a fallback: waits until the messages of these nodes, or of all, go that way."""
        for node in nodes or self.nodes:
            wait_for(lambda: node.get("/readyz")[1] == READYZ[way], WAY_SECONDS, f"{node.id} on {way}", interval=0.1)

    def steady(self, seconds=STEADY_SECONDS):
        """Lets the load run."""
        time.sleep(seconds)

    def run(self):
        """The load, and the fault under it; what gridbench counted."""
        options = {**LOAD, **self.case.load, "amqp": self.grid.amqp_uri("publisher"),
                   "offline": self.grid.amqp_uri("worker")}
        self.bench = Bench(self.folder, [node.url for node in self.nodes], options).start()
        self.steady()
        self.case.fault(self)
        self.steady()
        return self.bench.result(SETTLE_SECONDS + 60)


def end_brokers(folder):
    """Those that a killed run has left running in it."""
    brokers = Brokers(folder)
    for one in (brokers._broker, brokers._cluster):
        if one.folder.is_dir():
            one.kill()
            one.stop()
