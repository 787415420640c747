"""scripts/provision: what it makes, what it notices, what it mends, and what it says when it cannot."""

import dataclasses
import importlib.machinery
import importlib.util
import json
import typing

import pytest

from gridtest.broker import PROVISION, Grid
from gridtest.util import ROOT, free_port

DEFINITIONS = ROOT / "amqp-topology" / "definitions.json"


@pytest.fixture(scope="module")
def prov(broker):
    """A grid with accounts of its own, so that these tests can spoil them."""
    grid = Grid(broker, "provision", prefix="prov")
    grid.create()
    yield grid
    grid.delete()
    for role in ("node", "publisher", "operator", "worker", "service"):
        broker.api("DELETE", "users", grid.account(role))


def lines(done):
    return done.stdout.splitlines()


def assert_clean(grid):
    done = grid.provision("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def state(broker):
    """All there is; a password set again would show by its salt."""
    return {key: sorted(map(json.dumps, value)) for key, value in broker.api("GET", "definitions").items()
            if isinstance(value, list)}


def test_check_of_an_empty_broker_names_all_and_changes_nothing(broker):
    before = state(broker)
    done = Grid(broker, "nowhere", prefix="none").provision("--check", accounts=False)
    assert done.returncode == 1
    assert "virtual host nowhere is missing" in lines(done)
    assert "exchange none.users is missing" in lines(done)
    assert "binding of none.offline to none.unrouted with user.* is missing" in lines(done)
    assert "policy none-nodes is missing" in lines(done)
    assert "account none-node is missing" in lines(done)
    assert "permissions of none-node are missing" in lines(done)
    assert "topic permissions of none-publisher on none.users are missing" in lines(done)
    assert state(broker) == before


def test_second_run_changes_nothing(prov, broker):
    assert_clean(prov)
    before = state(broker)
    done = prov.provision("--generate-passwords")
    assert (done.returncode, done.stdout) == (0, "nothing to change\n")
    assert state(broker) == before


# --- every kind of thing broken: named, and mended or left with the way out ------------------------------------------


@dataclasses.dataclass
class Break:
    name: str
    spoil: typing.Callable  # (grid, broker)
    line: str  # what --check prints, or its beginning
    undo: typing.Optional[typing.Callable] = None  # what the hint tells to do; None: provision mends it by itself
    hint: str = ""  # part of what goes to stderr


def delete(*path):
    return lambda grid, broker: broker.api("DELETE", *[part.format(vhost=grid.vhost) for part in path])


def put(*path, **body):
    return lambda grid, broker: broker.api("PUT", *[part.format(vhost=grid.vhost) for part in path], body=body)


def post(*path, **body):
    return lambda grid, broker: broker.api("POST", *[part.format(vhost=grid.vhost) for part in path], body=body)


def both(first, second):
    def spoil(grid, broker):
        first(grid, broker)
        second(grid, broker)
    return spoil


EXCHANGE, QUEUE, POLICY = ("exchanges", "{vhost}"), ("queues", "{vhost}"), ("policies", "{vhost}")

BREAKS = [
    Break("exchange gone", delete(*EXCHANGE, "prov.events"), "exchange prov.events is missing"),
    Break("offline queue gone", delete(*QUEUE, "prov.offline"), "queue prov.offline is missing"),
    Break("binding gone", delete("bindings", "{vhost}", "e", "prov.unrouted", "q", "prov.offline", "user.%2A"),
          "binding of prov.offline to prov.unrouted with user.* is missing"),
    Break("alternate exchange gone", delete(*POLICY, "prov-users"), "policy prov-users is missing"),
    Break("policy changed",
          put(*POLICY, "prov-nodes", pattern="^prov\\.node\\.", priority=10, definition={"message-ttl": 5},
              **{"apply-to": "queues"}),
          "policy prov-nodes: definition is {\"message-ttl\": 5}, not "),
    Break("policy priority changed",
          put(*POLICY, "prov-users", pattern="^prov\\.users$", priority=1, definition={
              "alternate-exchange": "prov.unrouted"}, **{"apply-to": "exchanges"}),
          "policy prov-users: priority is 1, not 10"),
    Break("permissions gone", delete("permissions", "{vhost}", "prov-publisher"),
          "permissions of prov-publisher are missing"),
    Break("permissions changed",
          put("permissions", "{vhost}", "prov-publisher", configure="^$", write="^$", read=".*"),
          "permissions of prov-publisher: write is \"^$\", not \"^prov\\\\.(users|rooms)$\", read is"),
    Break("topic permissions gone", delete("topic-permissions", "{vhost}", "prov-publisher"),
          "topic permissions of prov-publisher on prov.users are missing"),
    Break("topic permissions changed",
          put("topic-permissions", "{vhost}", "prov-operator", exchange="prov.nodes", write=".*", read="^$"),
          "topic permissions of prov-operator on prov.nodes: write is \".*\", not "),
    Break("our account as impersonator", put("users", "prov-node", password="x", tags="impersonator"),
          "account prov-node: tags are [\"impersonator\"], not []"),
    Break("tag gone", put("users", "prov-operator", password="x", tags=""),
          "account prov-operator: tags are [], not [\"monitoring\"]"),
    Break("password changed", put("users", "prov-node", password="another", tags=""),
          "account prov-node: the password is another one"),
    Break("password removed", put("users", "prov-node", password_hash="", tags=""),
          "account prov-node: the password is another one"),
    Break("account gone", delete("users", "prov-worker"), "account prov-worker is missing"),

    Break("exchange of another type",
          both(delete(*EXCHANGE, "prov.rooms"), put(*EXCHANGE, "prov.rooms", type="fanout", durable=True)),
          "exchange prov.rooms: type is \"fanout\", not \"topic\"", delete(*EXCHANGE, "prov.rooms"),
          "rabbitmqadmin --vhost=provision delete exchange name=prov.rooms"),
    Break("queue with other arguments",
          both(delete(*QUEUE, "prov.offline"),
               put(*QUEUE, "prov.offline", durable=True, arguments={"x-max-length": 1})),
          "queue prov.offline: arguments is {\"x-max-length\": 1}, not {}", delete(*QUEUE, "prov.offline"),
          "rabbitmqadmin --vhost=provision delete queue name=prov.offline"),
    Break("queue bound to users",
          both(put(*QUEUE, "audit", durable=True),
               post("bindings", "{vhost}", "e", "prov.users", "q", "audit", routing_key="#")),
          "foreign binding on prov.users: queue audit with # ", delete(*QUEUE, "audit"),
          "delete binding source=prov.users destination_type=queue destination=audit properties_key=%23"),
    Break("exchange bound to users",
          post("bindings", "{vhost}", "e", "prov.users", "e", "prov.rooms", routing_key="user.*"),
          "foreign binding on prov.users: exchange prov.rooms with user.* ",
          delete("bindings", "{vhost}", "e", "prov.users", "e", "prov.rooms", "user.%2A"),
          "delete binding source=prov.users destination_type=exchange destination=prov.rooms"),
    Break("somebody is impersonator", put("users", "prov-stranger", password="x", tags="impersonator,management"),
          "account prov-stranger has the tag impersonator", delete("users", "prov-stranger"),
          "rabbitmqctl set_user_tags prov-stranger"),
    Break("foreign policy over all",
          put(*POLICY, "everything", pattern=".*", priority=11, definition={"expires": 1000000},
              **{"apply-to": "all"}),
          "foreign policy everything (pattern .*, priority 11) wins over prov-users for prov.users",
          delete(*POLICY, "everything"), "rabbitmqctl clear_policy -p provision everything"),
    Break("foreign policy over one node's queue",
          both(put(*QUEUE, "prov.node.seven", durable=True),
               put(*POLICY, "seven", pattern="seven$", priority=10, definition={"max-length": 5},
                   **{"apply-to": "queues"})),
          "foreign policy seven (pattern seven$, priority 10) wins over prov-nodes for prov.node.seven",
          both(delete(*POLICY, "seven"), delete(*QUEUE, "prov.node.seven")), "clear_policy -p provision seven"),
    Break("topic permission too many",
          put("topic-permissions", "{vhost}", "prov-node", exchange="prov.users", write="^$", read="^$"),
          "topic permissions of prov-node on prov.users: not ours",
          delete("topic-permissions", "{vhost}", "prov-node"),
          "rabbitmqctl clear_topic_permissions -p provision prov-node prov.users"),
]


@pytest.mark.parametrize("case", BREAKS, ids=lambda case: case.name)
def test_broken_is_named_and_mended(prov, broker, case):
    case.spoil(prov, broker)
    try:
        checked = prov.provision("--check")
        assert checked.returncode == 1
        assert [line for line in lines(checked) if line.startswith(case.line)], checked.stdout
        assert case.hint in checked.stderr

        applied = prov.provision()
        if case.undo:
            assert applied.returncode == 1
            assert [line for line in lines(applied) if line.startswith("left: " + case.line)], applied.stdout
            assert case.hint in applied.stderr
        else:
            assert applied.returncode == 0, applied.stdout + applied.stderr
            assert [line for line in lines(applied) if line.startswith("mended: " + case.line)], applied.stdout
            assert_clean(prov)
    finally:
        if case.undo:
            case.undo(prov, broker)
        prov.provision()
    assert_clean(prov)


@pytest.mark.parametrize("spoil, undo", [
    (put(*POLICY, "low", pattern=".*", priority=9, definition={"expires": 1000000}, **{"apply-to": "all"}),
     delete(*POLICY, "low")),
    (put(*POLICY, "other", pattern="^other", priority=99, definition={"expires": 1000000}, **{"apply-to": "all"}),
     delete(*POLICY, "other")),
    (put(*POLICY, "exchanges", pattern="^prov.node", priority=99, definition={"alternate-exchange": "x"},
         **{"apply-to": "exchanges"}), delete(*POLICY, "exchanges")),
    (both(put(*QUEUE, "prov.node.n1", durable=True),
          post("bindings", "{vhost}", "e", "prov.users", "q", "prov.node.n1", routing_key="user.7.#")),
     delete(*QUEUE, "prov.node.n1")),
    (put(*QUEUE, "own", durable=True), delete(*QUEUE, "own")),
], ids=["weaker policy", "policy for others", "policy for exchanges", "node's binding", "somebody's queue"])
def test_what_does_no_harm_is_not_named(prov, broker, spoil, undo):
    spoil(prov, broker)
    try:
        assert_clean(prov)
    finally:
        undo(prov, broker)


# --- passwords ------------------------------------------------------------------------------------------------------


def test_account_that_exists_keeps_its_password(prov):
    done = prov.provision(accounts=False)
    assert (done.returncode, done.stdout) == (0, "nothing to change\n")


def test_environment_wins_over_the_file(prov):
    done = prov.provision(environment={"GRID_SERVICE_PASSWORD": "from the environment"})
    assert lines(done) == ["mended: account prov-service: the password is another one"]
    assert prov.provision("--check", environment={"GRID_SERVICE_PASSWORD": "from the environment"}).returncode == 0
    assert prov.provision().returncode == 0
    assert_clean(prov)


def test_missing_password_is_asked_for(broker):
    grid = Grid(broker, "provision-without", prefix="without")
    try:
        done = grid.provision(accounts=False)
        assert done.returncode == 1
        assert "left: account without-node is missing" in lines(done)
        assert "no password given for without-node" in done.stderr
    finally:
        grid.delete()


def test_generated_file_is_private(prov):
    assert prov.passwords_file.stat().st_mode & 0o777 == 0o600
    assert len({prov.password(role) for role in ("node", "publisher", "operator", "worker", "service")}) == 5


def test_open_file_is_warned_about(prov, tmp_path):
    file = tmp_path / "passwords"
    file.write_text(prov.passwords_file.read_text())
    file.chmod(0o644)
    done = prov.provision("--check", "--passwords", file, accounts=False)
    assert done.returncode == 0
    assert f"chmod 600 {file}" in done.stderr


@pytest.mark.parametrize("text", ["prov-node", "prov-node="])
def test_bad_file_is_a_usage_error(prov, tmp_path, text):
    file = tmp_path / "passwords"
    file.write_text(text + "\n")
    file.chmod(0o600)
    done = prov.provision("--check", "--passwords", file, accounts=False)
    assert done.returncode == 2
    assert f"{file}:1: expected account=password" in done.stderr


# --- other ways to call it ------------------------------------------------------------------------------------------


def test_no_accounts(broker):
    grid = Grid(broker, "provision-bare", prefix="bare")
    try:
        assert grid.provision("--no-accounts", accounts=False).returncode == 0
        assert grid.provision("--no-accounts", "--check", accounts=False).returncode == 0
        assert not [user for user in broker.api("GET", "users") if user["name"].startswith("bare-")]
        assert grid.api("GET", "queues", "bare.offline")
    finally:
        grid.delete()


def test_no_permission_on_the_virtual_host_is_needed(prov, broker):
    broker.api("DELETE", "permissions", prov.vhost, "grid-admin")
    try:
        prov.broker.ctl("clear_policy", "-p", prov.vhost, "prov-nodes")
        assert prov.provision().returncode == 0
        assert_clean(prov)
    finally:
        broker.ctl("set_permissions", "-p", prov.vhost, "grid-admin", ".*", ".*", ".*")


def test_definitions_of_ones_own(prov, tmp_path):
    own = json.loads(DEFINITIONS.read_text())
    own["policies"][1]["definition"]["message-ttl"] = 30000
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(own))
    done = prov.provision("--definitions", file)
    assert done.returncode == 0
    assert prov.api("GET", "policies", "prov-nodes")["definition"]["message-ttl"] == 30000
    assert prov.provision().returncode == 0
    assert_clean(prov)


def test_definitions_can_be_imported_as_they_are(broker, tmp_path):
    """Without provision: rabbitmqctl import_definitions, then passwords by hand."""
    loader = importlib.machinery.SourceFileLoader("provision", str(PROVISION))
    provision = importlib.util.module_from_spec(importlib.util.spec_from_loader("provision", loader))
    loader.exec_module(provision)
    file = tmp_path / "definitions.json"
    # Another prefix only so that the accounts of the other tests keep their passwords.
    file.write_text(json.dumps(provision.load_definitions(DEFINITIONS, "imported", "imported")))
    grid = Grid(broker, "imported", prefix="imported")
    try:
        broker.ctl("import_definitions", file)
        done = grid.provision("--check", accounts=False)
        assert (done.returncode, done.stdout) == (0, "")
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            grid.passwords_file.write_text("imported-node=\n")
            grid.connect("node")
    finally:
        grid.delete()
        for role in ("node", "publisher", "operator", "worker", "service"):
            broker.api("DELETE", "users", f"imported-{role}")


# --- errors ---------------------------------------------------------------------------------------------------------


def failed(grid, code, *arguments):
    done = grid.provision("--check", *arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    return done.stderr


def test_unreachable(prov):
    said = failed(prov, 1, "--url", f"http://127.0.0.1:{free_port()}")
    assert "Connection refused" in said
    assert "rabbitmq-plugins enable rabbitmq_management" in said


def test_the_amqp_port_is_not_the_management_port(prov, broker):
    assert "port 15672, not 5672" in failed(prov, 1, "--url", f"http://127.0.0.1:{broker.amqp_port}")


def test_wrong_password(prov):
    said = failed(prov, 1, "--password", "wrong")
    assert "refuses grid-admin" in said
    assert "set_user_tags NAME administrator" in said


def test_not_an_administrator(prov):
    said = failed(prov, 1, "--user", "prov-operator", "--password", prov.password("operator"))
    assert "set_user_tags prov-operator administrator" in said


@pytest.mark.parametrize("arguments", [
    ("--frobnicate",), ("--prefix", "a.b"), ("--url", "localhost:15672"), ("--generate-passwords",),
    ("--definitions", "/nonexistent"), ("--password-file", "/nonexistent"),
], ids=" ".join)
def test_usage(prov, arguments):
    failed(prov, 2, *arguments)
