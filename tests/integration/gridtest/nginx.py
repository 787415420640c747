"""A real nginx in front of nodes, with the files of deploy/nginx as scripts/run changes them."""

import shutil
import signal
import socket
import subprocess

from .util import ROOT, free_port, wait_for

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIGURE = """
set -euo pipefail
ROOT=$1 RUN_DIR=$2
shift 2
for lib in common processes nginx; do . "$ROOT/scripts/lib/$lib.sh"; done
mkdir -p "$RUN_DIR/log"
nginx_configure "$@"
"""


class Nginx:
    def __init__(self, folder, nodes):
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = free_port()
        self.log_path = folder / "log" / "nginx.log"
        subprocess.run(["bash", "-c", CONFIGURE, "run", ROOT, folder, str(self.port), *(str(n.port) for n in nodes)],
                       check=True, stdin=subprocess.DEVNULL)
        self.process = None

    @property
    def url(self):
        return f"ws://{self.host}:{self.port}/ws"

    def _listens(self):
        assert self.process.poll() is None, self.log_path.read_text()
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def start(self):
        command = [NGINX, "-e", self.log_path, "-p", self.folder / "nginx", "-c", self.folder / "nginx" / "nginx.conf",
                   "-g", "daemon off;"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for(self._listens, 20, "nginx listens")
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
