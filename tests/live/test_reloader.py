"""The reloader: each way of watching, errors, open connections, and the command line of the package."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from .programs import ROOT, Program
from .servers import LIMIT

PROGRAM = """
import os
import helper
from asyncflask import App
from asyncflask.serving import is_running_from_reloader, run_simple

app = App("reloaded")
with open("data.yaml") as file:
    data = file.read()
print("imported by", "the reloader's process" if is_running_from_reloader() else "the first process", flush=True)


@app.get("/")
async def index():
    return helper.answer + data


@app.get("/sse")
async def sse():
    import asyncio

    async def events():
        while True:
            yield b"data: x\\n\\n"
            await asyncio.sleep(0.05)

    return events(), {"Content-Type": "text/event-stream"}


@app.websocket("/ws")
async def ws():
    from asyncflask import websocket

    while True:
        await websocket.send(await websocket.receive())


if __name__ == "__main__":
    run_simple(
        "127.0.0.1", 0, app, use_reloader=True, extra_files=["data.yaml"], exclude_patterns=["*/ignored*"], OPTIONS
    )
"""


ENDS = ("if __name__", "if is_running_from_reloader():\n    raise SystemExit\nif __name__")


@pytest.fixture
def project(tmp_path):
    """A function that writes a file of the project; there is a program, a module and a file of data."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    write.folder = tmp_path
    write("helper.py", "answer = 'one'")
    write("data.yaml", "")
    write(".venv/pyvenv.cfg", "")
    return write


@pytest.fixture
def run(project):
    """A function that starts the program with options for `run_simple`, and waits until it serves."""
    with contextlib.ExitStack() as stack:

        def run(options):
            project("main.py", PROGRAM.replace("OPTIONS", options))
            program = stack.enter_context(Program(project.folder, "main.py"))
            program.get_until("one")
            return program

        yield run


@pytest.mark.parametrize(
    "options",
    [
        pytest.param("reloader_type='auto', threaded=True", marks=pytest.mark.slow),
        "reloader_type='stat', reloader_interval=0.1, processes=2",
        pytest.param("reloader_type='watchdog'", marks=pytest.mark.slow),
    ],
)
def test_it_restarts_when_code_changes_and_survives_errors(project, run, options):
    program = run(options)
    kind = options.split("'")[1]
    program.wait_for(f"Restarting with {'watchfiles' if kind == 'auto' else kind}")
    port, first = program.port, program.process.pid
    # what it has loaded, and what it may load
    project("helper.py", "answer = 'two'")
    program.get_until("two")
    program.wait_for(r"Detected change in '.*helper.py', reloading")
    # an error in the code is shown, and the next save tries again
    project("helper.py", "answer = 'three")
    program.wait_for("SyntaxError: unterminated string literal")
    program.wait_for("waiting for a file to change")
    project("helper.py", "answer = 'three'")
    program.get_until("three")
    # files that are no code
    project("data.yaml", "!")
    program.get_until("three!")
    # neither the environment, nor what is excluded, nor what is not code
    count = program.text.count("Detected change")
    for name in (".venv/lib/module.py", "node_modules/x/x.py", "ignored.py", "notes.txt"):
        project(name, "x = 1")
    project("new/package.py", "x = 1")
    program.wait_for(r"Detected change in '.*package.py'")
    program.get_until("three!")
    assert program.text.count("Detected change") == count + 1, program.text
    assert (program.port, program.process.pid) == (port, first)
    assert program.end(signal.SIGINT if kind == "stat" else signal.SIGTERM) == 0
    assert program.text.count("imported by the first process") == 1


def test_open_streams_and_websockets_do_not_hold_it_up(project, run):
    client = pytest.importorskip("websockets.sync.client")
    program = run("threaded=True")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", program.port), LIMIT))
            wire.sendall(b"GET /sse HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.recv(4096).startswith(b"HTTP/1.1 200")
        websocket = stack.enter_context(client.connect(f"ws://127.0.0.1:{program.port}/ws"))
        websocket.send("hi")
        assert websocket.recv(LIMIT) == "hi"
        project("helper.py", "answer = 'two'")
        program.get_until("two")
        with pytest.raises(Exception, match="1012"):
            websocket.recv(LIMIT)
    assert program.end() == 0


def test_a_program_that_ends_by_itself_ends_the_reloader(project):
    project("main.py", PROGRAM.replace("OPTIONS", "").replace(*ENDS))
    with Program(project.folder, "main.py") as program:
        assert program.end(None) == 0


# -- python -m asyncflask.serving

WEB = """
from asyncflask import App
app = App("web")

@app.get("/")
def index():
    return ANSWER

def create_app(name, *, greeting="hello"):
    app = App(name)
    app.add_url_rule("/", view_func=lambda: f"{greeting} {name}")
    return app
"""


def serving(project, *arguments):
    return Program(project.folder, "-m", "asyncflask.serving", *arguments)


def test_the_command_line_reloads_an_app_that_cannot_be_imported_at_first(project):
    project("web.py", WEB)
    with serving(project, "-b", "127.0.0.1:0", "-d", "-r", "web:app") as program:
        program.get_until("NameError", part=True)  # of the view
        project("web.py", "import")
        program.wait_for("SyntaxError: invalid syntax")
        program.wait_for("waiting for a file to change")
        project("web.py", WEB.replace("ANSWER", "'mended'"))
        program.get_until("mended")
        assert program.end(signal.SIGINT) == 0


def test_the_command_line_serves_what_a_factory_makes(project):
    project("web.py", WEB.replace("ANSWER", "'x'"))
    with serving(
        project, "-b", "127.0.0.1:0", "--threads", "2", "--access-log", "json", 'web:create_app("me", greeting="hi")'
    ) as program:
        assert program.get() == (200, "hi me")
        program.wait_for("1 process, 2 threads")
        program.wait_for('"path": "/"')
        assert program.end() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["-b", "127.0.0.1:99999", "web:app"], 1, "port must be from 0 to 65535, not 99999"),
        (["-b", "nonsense", "web:app"], 2, "'nonsense' is not HOST:PORT"),
        (["--processes", "0", "web:app"], 1, "processes must be at least 1"),
        (["--reload-type", "x", "web:app"], 2, "'x' is not one of"),
        (["--cert", "no.pem", "web:app"], 1, "There is no certificate file 'no.pem'"),
        (["--key", "k.pem", "web:app"], 2, "--key needs the certificate"),
        (["web"], 1, "'web' does not name an application"),
        (["web:nothing"], 1, "Module 'web' has no 'nothing'"),
        (["web:create_app()"], 1, "cannot be called: missing a required argument"),
        (["nowhere:app"], 1, "Module 'nowhere' cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        (["web.deeper:app"], 1, "Module 'web.deeper' cannot be imported: there is no module 'web.deeper'. Correct"),
        (["broken:app"], 1, "Module 'broken' cannot be imported: SyntaxError: invalid syntax ("),
        (["lacks:app"], 1, "lacks.py:2: there is no module 'not_there_at_all'. Correct the name, or install"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_wrong_command_ends_with_one_clear_line(project, arguments, code, text, monkeypatch, capfd):
    from asyncflask.serving.__main__ import main

    project("web.py", WEB.replace("ANSWER", "'x'"))
    project("broken.py", "def")
    project("lacks.py", "\nimport not_there_at_all")
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name in ("web", "broken", "lacks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    said = caught.value.code if isinstance(caught.value.code, str) else capfd.readouterr().err
    assert text in said and "Traceback" not in said
    assert (1 if isinstance(caught.value.code, str) else caught.value.code) == code
    for name in ("web", "broken", "lacks"):
        sys.modules.pop(name, None)


FAILING = """
import sys
def helper():
    return {}["x"]
def fails():
    return helper()
def takes(a, b):
    return takes(a)
def exits():
    sys.exit("no database")
def lacks():
    import not_there_at_all
async def later(): ...
"""


@pytest.mark.parametrize(
    ("call", "last", "raised_at"),
    [
        ("fails()", "The factory 'fails()' of module 'made' has failed: KeyError: 'x' ({}, line 4)", "in helper"),
        (
            "takes(1, 2)",
            "The factory 'takes(1, 2)' of module 'made' has failed: TypeError: takes() missing",
            "in takes",
        ),
        (
            "exits()",
            "The factory 'exits()' of module 'made' has failed: SystemExit: no database ({}, line 10)",
            "exit(",
        ),
        ("lacks()", "The factory 'lacks()' of module 'made' has failed: {}:12: there is no module 'not_th", "in lacks"),
        ("later()", "The factory 'later' is an 'async def' function, and there is no event loop yet that its", None),
    ],
)
def test_a_factory_that_fails_shows_where(project, call, last, raised_at):
    """Its traceback begins with it, and the last line says what and where, as for a module that cannot be imported."""
    project("made.py", FAILING)
    command = [sys.executable, "-m", "asyncflask.serving", "-b", "127.0.0.1:0", f"made:{call}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, env=environment, timeout=60)
    told = done.stderr.splitlines()
    assert done.returncode == 1 and told[-1].startswith(last.format(project.folder / "made.py"))
    assert str(ROOT / "asyncflask") not in done.stderr and "RuntimeWarning" not in done.stderr
    assert len(told) == 1 if raised_at is None else raised_at in done.stderr


def test_help_names_the_options(project):
    command = [sys.executable, "-m", "asyncflask.serving", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0
    for name in ("--bind HOST:PORT", "--debug", "--reload", "--threads", "--processes", "--graceful-timeout"):
        assert name in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["watchfiles", "stat", "watchdog"])
def test_an_idle_reloader_costs_next_to_nothing(project, run, kind):
    """Of 13,000 files it takes less than 1 % of a core, measured over ten seconds."""
    for folder in range(130):
        for name in range(100):
            project(f"package{folder}/module{name}.py", "")
    program = run(f"reloader_type='{kind}'")
    project("helper.py", "answer = 'two'")
    program.get_until("two")  # it has looked for all of them, which it does once

    def cpu():
        with open(f"/proc/{program.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, began = cpu(), time.monotonic()
    time.sleep(10)  # it is idle for that long
    share = (cpu() - before) / (time.monotonic() - began)
    print(f"{kind}: {share:.2%} of a core")
    assert share < 0.01
    project("package7/module7.py", "x = 1")
    program.wait_for("Detected change")
    assert program.end() == 0
