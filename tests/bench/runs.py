"""One run of one contender: run(place) returns its measures."""

import asyncio
import contextlib
import time

from gridtest.tcpproxy import Proxy
from gridtest.util import wait_for

from . import generator, systems

MANY = 10000  # keys, after which a broker is not worth emptying
CROWD = 10000
FEWER = {"connections": 2500, "rooms": 250}  # so that a node with many others beside them keeps within 20,000 open files
FEW = {"rate": 200, "keys": 100, "size": 128}  # as scenarios/few.scenario has it


def run_system(place, system, scenario, **options):
    """Starts it, puts a scenario on it; gridbench's result."""
    folder = place.new_folder(f"{scenario}-{system.__name__.lower()}")
    with system(place, folder) as running:
        return generator.load(running, scenario, **named(options))


def named(options):
    """As gridbench spells them."""
    return {name.replace("_", "-"): value for name, value in options.items()}


def plain(system, scenario, **options):
    return lambda place: generator.measures(run_system(place, system, scenario, **options))


def memory(system, scenario, **options):
    def run(place):
        with place.last_use() if system.amqp else contextlib.nullcontext():
            return generator.memory(run_system(place, system, scenario, **options))
    return run


def beside_idle(connections):
    """The scenario `rooms`, half of it, on a node that has so many idle connections as well."""
    def run(place):
        folder = place.new_folder(f"rooms-idle-{connections}")
        with place.last_use() if connections >= MANY else contextlib.nullcontext():
            with systems.GridnodeRabbitmq(place, folder) as node:
                with generator.start_load(node, "connected", "idle", connections=connections) as idle:
                    idle.wait_step("publishing")
                    measured = generator.measures(generator.load(node, "rooms", **FEWER))
                    idle.stop()
                    measured["problems"] += bystander_problems(idle.result())
        return measured
    return run


def bystander_problems(result):
    """Of a gridbench that had no need to be in time."""
    return but_saturated(generator.problems(result))


def but_saturated(problems):
    return [problem for problem in problems if problem != generator.SATURATED]


def bare(folder, place, kind, **options):
    return generator.start_bare(folder, kind, amqp=place.grid.amqp_uri("admin"), **options)


def bare_measures(result):
    """The CPU is that of the consumer's thread."""
    delivery, ack = result["latency_ms"]["delivery"], result["latency_ms"]["ack"]
    return {"cpu_us": result["cpu_s"]["consumer"] * 1e6 / max(result["deliveries"]["total"], 1),
            "p50_ms": delivery["p50"], "p99_ms": delivery["p99"], "ack_p99_ms": ack["p99"],
            "problems": generator.pipe_problems(result)}


def pipe(**options):
    """From a bare publisher to a bare consumer."""
    def run(place):
        with bare(place.new_folder("pipe"), place, "pipe", size=128, **options) as running:
            return bare_measures(running.result())
    return run


def storm(place):
    """A crowd connects; meanwhile a few others get notifications. Here and in bare_storm it does not matter whether these
    went out in time: broker and crowd want both cores, and each message is timed from when it went out."""
    folder = place.new_folder("storm")
    with place.last_use(), systems.GridnodeRabbitmq(place, folder) as node:
        with generator.start_load(node, "few", "few") as few:
            few.wait_step("publishing")
            with generator.start_load(node, "connected", "crowd", connections=CROWD) as crowd:
                crowd.wait_step("connected")
                few.stop()
                crowd.wait_step("publishing")  # sooner, a signal means that it is not to begin at all
                crowd.stop()
                came, others = crowd.result(), few.result()
    return {"keys_per_s": CROWD / came["connections"]["seconds"], "p99_ms": others["latency_ms"]["delivery"]["p99"],
            "problems": bystander_problems(others) + bystander_problems(came)}


def bare_storm(place):
    """The same without a node: somebody binds as many keys, and somebody else consumes."""
    folder = place.new_folder("bare-storm")
    with place.last_use(), bare(folder, place, "pipe", duration="10m", **FEW) as few:
        few.wait_step("publishing")
        with bare(folder, place, "bind", keys=CROWD) as crowd:
            bound = crowd.first_result()
            few.stop()  # before the binder's queue is deleted, which is a storm of its own
            others = few.result()
    return {"keys_per_s": bound["per_s"], "p99_ms": others["latency_ms"]["delivery"]["p99"],
            "problems": but_saturated(generator.pipe_problems(others)) + generator.bind_problems(bound, CROWD)}


def reconnect(place):
    """From the first connection that the broker's address takes again to a message that waited in the queue."""
    folder = place.new_folder("reconnect")
    with place.last_use(), Proxy((place.broker.host, place.broker.amqp_port)) as proxy:
        with systems.BehindProxy(place, folder, proxy) as node:
            with generator.start_load(node, "reconnect") as holder:
                holder.wait_step("publishing")
                seconds = asyncio.run(cut_and_wait(place, node.one, proxy))
                holder.stop()
                held = holder.result()
    return {"seconds": seconds, "problems": bystander_problems(held)}


async def cut_and_wait(place, node, proxy):
    # Not before it is used, as in place.py.
    from gridtest.backend import Backend
    from gridtest.client import Client
    client = await Client.open(node, "probe")
    await client.wait_for("welcome")
    proxy.refuse()
    proxy.cut()
    wait_for(lambda: not node.ready(), what="a node that has lost its broker")
    backend = Backend(place.grid)
    backend.to_user("probe", "while away")
    backend.close()
    proxy.accept()
    await client.wait_data("while away", op="notify")
    came = time.monotonic()
    await client.close()
    return came - proxy.accepted_at
