"""nginx with TLS in front of two machines' worth of uvicorn workers, all on this machine, until Ctrl-C.

`python examples/deploy/run.py` needs nginx and openssl (`apt install nginx-light openssl`).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 20.0  # seconds for a program to start, and to stop

# The part around site.conf that a Debian package brings; here everything is to stay in one folder.
NGINX = """
daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    include site.conf;
}
"""


def find_nginx() -> str | None:
    """Return where nginx is; it is often not on the path of those who are not root."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that is its own authority; return its file and its key's."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block, in a group of its own: Ctrl-C reaches us alone."""
    with log.open("wb") as out:
        environment = os.environ | environment
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=HERE, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when `port` can be connected to; RuntimeError, with what the program wrote, if that takes too long."""
    until = time.monotonic() + PATIENCE
    while not listens(port):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{process.args!r} did not start: {log.read_text()}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Deployment:
    """What `deployed` has started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.certificate, self.key = make_certificate(folder)
        self.machines: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def write_site(self, first: int, second: int) -> None:
        """Fill in site.conf."""
        values = {"FIRST": f"127.0.0.1:{first}", "SECOND": f"127.0.0.1:{second}", "LISTEN": f"127.0.0.1:{self.port}"}
        values |= {"CERTIFICATE": str(self.certificate), "KEY": str(self.key)}
        text = (HERE / "site.conf").read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (self.folder / "site.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""  # its workers write into our folder
        (self.folder / "nginx.conf").write_text(user + NGINX)


@contextmanager
def deployed(folder: Path, workers: int = 2) -> Iterator[Deployment]:
    """Start two machines' worth of workers, and nginx in front of them; stop them at the end."""
    deployment = Deployment(folder)
    ports = {"first": free_port(), "second": free_port()}
    deployment.write_site(*ports.values())
    with ExitStack() as stack:
        started = []
        for name, port in ports.items():
            options = ["--port", str(port), "--workers", str(workers), "--no-proxy-headers", "--log-level", "warning"]
            command, log = [sys.executable, "-m", "uvicorn", *options, "app:asgi"], folder / f"{name}.txt"
            deployment.machines[name] = stack.enter_context(running(command, log, MACHINE=name))
            started.append((deployment.machines[name], port, log))
        log = folder / "nginx.txt"
        command = [find_nginx() or "nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
        started.append((stack.enter_context(running(command, log)), deployment.port, log))
        for process, port, log in started:
            wait_until_up(process, port, log)
        yield deployment


def main() -> None:
    if find_nginx() is None:
        sys.exit("nginx is not installed: apt install nginx-light")
    with tempfile.TemporaryDirectory() as folder, deployed(Path(folder)) as deployment:
        print(f"{deployment.url}/where and {deployment.url}/shop/where; the certificate: {deployment.certificate}")
        try:
            deployment.machines["first"].wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
