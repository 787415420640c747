"""Load in lock-step: an act ends when everybody has what came of it. The next one begins when the node is settled, too
(callgrind.py), so what it does does not depend on how fast anybody is."""

import json

from gridtest.raw import CLOSE, Raw, frame

ROOM = "lobby"
FIRST_MEMBER = "member-0000"
TEXT = "x" * 128
BURST = 8             # as many frames as one read of a node takes,
BURST_TEXT = "x" * 16  # if they are small


class Load:
    """Clients of one node: one who asks and publishes, and members of a room."""

    def __init__(self, node):
        self.node = node
        self.asker = self._client("asker")
        self.members = []
        self.visitors = []

    def _client(self, user):
        return Raw(self.node).welcomed(user)

    def close(self):
        for client in (self.asker, *self.members, *self.visitors):
            client.socket.close()

    @staticmethod
    def _request(**fields):
        return frame(json.dumps(fields))

    @staticmethod
    def _expect(client, op):
        received = client.read()
        assert received and json.loads(received.payload)["op"] == op, received

    def ask(self, op, **fields):
        self.asker.send(self._request(op=op, ref=1, **fields))
        self._expect(self.asker, "ok")

    def have_members(self, n):
        """So many, with those who are there already."""
        while len(self.members) < n:
            client = self._client(f"member-{len(self.members):04}")
            client.send(self._request(op="join", room=ROOM, ref=1))
            self._expect(client, "ok")
            self.members.append(client)

    def members_have(self, n=1):
        for member in self.members:
            for _ in range(n):
                self._expect(member, "message")

    def member_notified(self):
        self._expect(self.members[0], "notify")

    # What is measured, once each

    def ping(self):
        self.ask("ping")

    def join_and_leave(self):
        self.ask("join", room=ROOM)
        self.ask("leave", room=ROOM)

    def publish_to_room(self):
        self.ask("publish", room=ROOM, data=TEXT)
        self.members_have()

    def publish_burst(self):
        request = self._request(op="publish", ref=1, room=ROOM, data=BURST_TEXT)
        self.asker.send(request * BURST)
        for _ in range(BURST):
            self._expect(self.asker, "ok")
        self.members_have(BURST)

    def publish_to_user(self):
        self.ask("publish", user=FIRST_MEMBER, data=TEXT)
        self.member_notified()

    def publish_to_nobody(self):
        self.ask("publish", room="empty", data=TEXT)

    def connect(self):
        self.visitors.append(self._client(f"visitor-{len(self.visitors):04}"))

    def disconnect(self):
        client = self.visitors.pop()
        client.send(frame(b"\x03\xe8", CLOSE))
        assert client.close_code() == 1000
        client.socket.close()
