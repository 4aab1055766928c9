"""Ask examples/hello a few questions over HTTP: `ask.py URL PID`; gives up when process PID ends or after 5 minutes."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request


def alive(pid: int) -> bool:
    """Say whether process `pid` still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(url: str, pid: int) -> None:
    """Return once `url` answers; the command installs first, so that takes as long as it takes.

    Raises SystemExit if the server ended or did not answer in time.
    """
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if not alive(pid):
                raise SystemExit("the command ended before its server answered") from None
            time.sleep(0.2)
    raise SystemExit("the server did not answer within 5 minutes")


def main() -> None:
    """Ask an async handler, a `def` handler and a JSON handler."""
    base, pid = sys.argv[1], int(sys.argv[2])
    wait_for(base, pid)
    body = json.dumps({"a": [1, 2]}).encode()
    post = urllib.request.Request(f"{base}/json", data=body, headers={"Content-Type": "application/json"})
    for request in (f"{base}/async/ada", f"{base}/sync/ada", post):
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
            if answer.status != 200:
                raise SystemExit(f"{answer.status} from {answer.url}: {text}")
            print(answer.status, answer.url.removeprefix(base), text.strip())


if __name__ == "__main__":
    main()
