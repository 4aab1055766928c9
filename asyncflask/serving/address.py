"""The socket that a server listens on: names, addresses, Unix sockets, inherited ones; and who holds one in use."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
import typing as t

from .options import BadOption

BACKLOG = 2048


def listen(hostname: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        hostname: a name, an IPv4 or IPv6 address, ``unix://`` and a path, or ``fd://`` and the number of a descriptor.
        port: 0 takes a free one; without meaning for the last two.

    Raises:
        BadOption: it cannot be had; the text says why and what to do.
    """
    if hostname.startswith("unix://"):
        return _listen_unix(os.path.abspath(hostname.removeprefix("unix://")))
    if hostname.startswith("fd://"):
        number = hostname.removeprefix("fd://")
        if not number.isdecimal():
            raise BadOption(f"'fd://' wants the number of a file descriptor after it, not {number!r}.")
        return inherit(int(number))
    family, address = _resolve(hostname, port)
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise BadOption(_why_not(error, hostname, port)) from None
    return found


def inherit(fd: int) -> socket.socket:
    """Return the listening socket behind a descriptor that a parent process has opened."""
    try:
        found = socket.socket(fileno=os.dup(fd))
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.listen(BACKLOG)
    except OSError as error:
        raise BadOption(f"File descriptor {fd} is no socket to listen on: {error.strerror}.") from None
    return found


def _resolve(hostname: str, port: int) -> tuple[socket.AddressFamily, t.Any]:
    # As in Werkzeug a name means its IPv4 address, if it has one.
    families = [socket.AF_INET6] if ":" in hostname else [socket.AF_INET, socket.AF_INET6]
    failure: OSError | None = None
    for family in families:
        try:
            found = socket.getaddrinfo(hostname, port, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        except (OSError, UnicodeError) as error:
            failure = failure or (error if isinstance(error, OSError) else OSError(0, str(error)))
            continue
        return found[0][0], found[0][4]
    reason = failure.strerror if failure is not None else "no address"
    raise BadOption(
        f"Host {hostname!r} is not known: {reason}. '127.0.0.1' is this machine alone, '0.0.0.0' its networks too."
    )


def _listen_unix(path: str) -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise BadOption("This platform has no Unix sockets; say a host and a port.")
    _remove_leftover(path)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.bind(path)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise BadOption(f"Cannot listen on Unix socket {path!r}: {error.strerror or error}.") from None
    return found


def _remove_leftover(path: str) -> None:
    """Remove the socket file of a server that is gone; never a file of another kind, nor a socket that answers."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise BadOption(f"{path!r} is there already and no socket. Choose another path, or remove it.")
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise BadOption(f"Unix socket {path!r} is in use by another program. Stop that program, or choose another path.")


def _why_not(error: OSError, hostname: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return _in_use(hostname, port)
        case errno.EACCES:
            return f"Port {port} needs the rights of an administrator. Choose one from 1024 on; 0 takes a free one."
        case errno.EADDRNOTAVAIL:
            return f"This machine has no address {hostname!r}. '0.0.0.0' means all that it has, '127.0.0.1' itself."
    return f"Cannot listen on {hostname!r}, port {port}: {error.strerror or error}."


def _in_use(hostname: str, port: int) -> str:
    holder = holder_of(port)
    if holder is None:
        said = f"Port {port} is in use by another program. Either identify and stop that program"
    else:
        pid, command = holder
        said = f"Port {port} is in use by process {pid} ({command}). Either stop it ('kill {pid}')"
    if sys.platform == "darwin" and port == 5000:
        said += " (on macOS it may be 'AirPlay Receiver', see System Settings)"
    return f"{said}, or start the server with a different port; port 0 takes a free one."


def holder_of(port: int) -> tuple[int, str] | None:
    """Return process id and command line of who listens on a TCP port, as far as Linux's /proc shows it; else None."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for pid in _numbers("/proc") if inodes else ():
        if any(_link(f"/proc/{pid}/fd/{fd}") in inodes for fd in _numbers(f"/proc/{pid}/fd")):
            return pid, _command(pid)
    return None


def _listening_inodes(port: int) -> t.Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as file:
                rows = [line.split() for line in file][1:]
        except OSError:
            continue
        for row in rows:  # 1: local address, 3: state (0A: listening), 9: inode; proc_pid_net(5)
            if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port:
                yield row[9]


def _numbers(folder: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(folder) if name.isdecimal())
    except OSError:  # another user's, or gone
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode(errors="replace").split("\0")
    except OSError:
        words = []
    text = "".join(c if c.isprintable() else "?" for c in " ".join(words).strip())
    return text[:100] or "name unknown"


def url_of(listener: socket.socket, hostname: str, scheme: str) -> str:
    """Return where a browser finds a listening socket: `hostname`, with the port that the socket has."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return f"unix://{listener.getsockname()}"
    if hostname.startswith("fd://"):
        hostname = listener.getsockname()[0]
    return f"{scheme}://{f'[{hostname}]' if ':' in hostname else hostname}:{listener.getsockname()[1]}"


def urls_of(listener: socket.socket, hostname: str, scheme: str) -> list[str]:
    """As `url_of`; for "all addresses" one of them on this machine, and one that others can use."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(hostname)
    names = [hostname] if local is None else [local, _outside(listener.family, local)]
    return list(dict.fromkeys(url_of(listener, name, scheme) for name in names))


def _outside(family: int, local: str) -> str:
    """Return the address of this machine that a packet to another network would have. Nothing is sent."""
    somewhere = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # for documentation: RFC 5737, RFC 3849
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((somewhere, 9))
        except OSError:
            return local
        return t.cast(str, probe.getsockname()[0])
