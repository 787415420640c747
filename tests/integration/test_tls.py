"""Links to the broker over TLS: who is believed, who is not, and what the log says then."""

import asyncio
import contextlib
import ssl
import subprocess
import threading

import pytest

from gridtest.util import free_port

QUICK = {"bus.rabbitmq.tls": "true", "bus.rabbitmq.reconnect_min": "50ms", "bus.rabbitmq.reconnect_max": "200ms"}


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


class Authority:
    """Signs certificates."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def server(self, name):
        """What a server of that name shows: (certificate, key)."""
        cert, key, request = (self.folder / f"{self.name}-{name}.{end}" for end in ("pem", "key", "csr"))
        names = self.folder / f"{self.name}-{name}.ext"
        names.write_text(f"subjectAltName=DNS:{name}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", 2,
                "-extfile", names, "-out", cert)
        return cert, key


class Front:
    """TLS in front of a broker that speaks none: a server with that certificate, which passes on what it reads."""

    def __init__(self, target, certificate, ask_for=None):
        self.target, self.port = target, free_port()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        if ask_for:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(ask_for.cert)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result(30)

    async def _listen(self):
        await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.context)

    async def _serve(self, near_in, near_out):
        far_in, far_out = await asyncio.open_connection(*self.target)
        await asyncio.gather(self._pump(near_in, far_out), self._pump(far_in, near_out))

    @staticmethod
    async def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _cancel(self):
        mine = asyncio.all_tasks() - {asyncio.current_task()}
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)

    def close(self):
        asyncio.run_coroutine_threadsafe(self._cancel(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "theirs")


@pytest.fixture
def front(broker):
    """front(certificate): the port of a server that shows it."""
    fronts = []

    def start(certificate, **more):
        fronts.append(Front((broker.host, broker.amqp_port), certificate, **more))
        return fronts[-1].port

    yield start
    for one in fronts:
        one.close()


async def works(node, connect, backend):
    client = await connect(node, "42")
    await client.join("tls")
    await client.publish(room="tls", data="x" * 60000)  # more than one TLS record
    await client.wait_data("x" * 60000)
    await asyncio.to_thread(backend.to_user, "42", "encrypted")
    await client.wait_data("encrypted", op="notify")


async def test_a_broker_with_a_certificate_we_trust(nodes, grid, ours, front, connect, backend):
    port = front(ours.server("localhost"))
    node = nodes.on(grid, {**QUICK, "bus.rabbitmq.tls_ca": ours.cert}, address=f"localhost:{port}")
    await works(node, connect, backend)


async def test_a_broker_that_wants_a_certificate_of_ours(nodes, grid, ours, front, connect, backend):
    port = front(ours.server("localhost"), ask_for=ours)
    cert, key = ours.server("n1")
    settings = {**QUICK, "bus.rabbitmq.tls_ca": ours.cert, "bus.rabbitmq.tls_cert": cert, "bus.rabbitmq.tls_key": key}
    await works(nodes.on(grid, settings, address=f"localhost:{port}"), connect, backend)


@pytest.mark.parametrize("who, name", [("theirs", "localhost"), ("ours", "elsewhere")])
def test_a_broker_that_is_not_believed(nodes, grid, front, ours, request, who, name):
    port = front(request.getfixturevalue(who).server(name))
    node = nodes.new_on(grid, {**QUICK, "bus.rabbitmq.tls_ca": ours.cert}, address=f"localhost:{port}").spawn()
    node.wait_log(r"bus\.waiting .*link=consumer .*(?i:certificate|verif|hostname)")
    assert not node.ready()


async def test_without_verification_anybody_is_believed(nodes, grid, theirs, front, connect, backend):
    port = front(theirs.server("elsewhere"))
    node = nodes.on(grid, {**QUICK, "bus.rabbitmq.tls_verify": "false"}, address=f"localhost:{port}")
    await works(node, connect, backend)
