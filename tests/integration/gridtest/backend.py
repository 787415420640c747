"""What stands on the other side of the broker: a program that publishes with pika, and the broker's own tool."""

import json
import subprocess
import sys
import urllib.request

import pika

from .util import wait_for

PLAIN = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def encoded(name, keep=""):
    """A name as it stands in a routing key (docs/protocol.md, section 1)."""
    return "".join(chr(b) if b in PLAIN or chr(b) in keep else f"%{b:02X}" for b in name.encode())


def user_key(name):
    return "user." + encoded(name)


def room_key(name):
    return "room." + encoded(name, keep=".")


class Backend:
    """Publishes, and waits for the broker's confirm each time."""

    def __init__(self, grid, role="publisher"):
        self.grid = grid
        self.connection = grid.connect(role)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def publish(self, exchange, routing_key, body, mandatory=False, **properties):
        """`exchange` without the prefix; a body that is no bytes goes out as JSON."""
        body = body if isinstance(body, bytes) else json.dumps(body)
        self.channel.basic_publish(f"{self.grid.prefix}.{exchange}", routing_key, body,
                                   pika.BasicProperties(**properties), mandatory=mandatory)

    def to_user(self, name, body, **properties):
        self.publish("users", user_key(name), body, **properties)

    def to_room(self, name, body, **properties):
        self.publish("rooms", room_key(name), body, **properties)

    def close(self):
        if self.connection.is_open:
            self.connection.close()


class Offline:
    """Whoever serves absent users: takes messages out of the offline queue."""

    def __init__(self, grid):
        self.queue = f"{grid.prefix}.offline"
        self.connection = grid.connect("worker")
        self.channel = self.connection.channel()
        self.taken = []  # (routing key, properties, body)

    def take_all(self):
        while True:
            method, properties, body = self.channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return self.taken
            self.taken.append((method.routing_key, properties, body))

    def wait_for(self, routing_key, body, timeout=30):
        """The properties of that message, which must come."""
        def find():
            return [p for key, p, text in self.take_all() if (key, text) == (routing_key, body)]
        return wait_for(find, timeout, f"{routing_key} {body} in {self.queue}", interval=0.1)[0]

    def close(self):
        self.connection.close()


class Rabbitmqadmin:
    """The script that the management plugin serves, as the grid's operator."""

    def __init__(self, grid, folder):
        self.grid = grid
        self.script = folder / "rabbitmqadmin"
        self.config = folder / "rabbitmqadmin.conf"
        broker = grid.broker
        with urllib.request.urlopen(f"{broker.management_url}/cli/rabbitmqadmin", timeout=30) as answer:
            self.script.write_bytes(answer.read())
        self.config.write_text(f"[default]\nhostname = {broker.host}\nport = {broker.management_port}\n"
                               f"username = {grid.account('operator')}\npassword = {grid.password('operator')}\n"
                               f"vhost = {grid.vhost}\n")

    def __call__(self, *arguments):
        """What it printed."""
        done = subprocess.run([sys.executable, self.script, "-c", self.config, *arguments], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish(self, exchange, routing_key, payload, **more):
        options = [f"{name}={value}" for name, value in more.items()]
        return self("publish", f"exchange={self.grid.prefix}.{exchange}", f"routing_key={routing_key}",
                    f"payload={payload}", *options)

    def bindings(self):
        """{(exchange without the prefix, routing key, queue)}, without those of the default exchange."""
        rows = json.loads(self("-f", "raw_json", "list", "bindings", "source", "routing_key", "destination"))
        start = self.grid.prefix + "."
        return {(row["source"].removeprefix(start), row["routing_key"], row["destination"])
                for row in rows if row["source"]}
