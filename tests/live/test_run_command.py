"""``asyncflask run`` over a socket: an application that cannot be loaded, and its correction."""

from __future__ import annotations

import pytest

from .programs import Program

FINE = "from asyncflask import App\napp = App(__name__)\n@app.get('/')\ndef index():\n    return {!r}\n"
BROKEN = "from asyncflask import App\napp = App(__name__)\ndef index(:\n"
MISSING = "from asyncflask import App\nimport not_there_at_all\napp = App(__name__)\n"
RESTARTED = "Detected change in"


@pytest.fixture
def run(tmp_path):
    """Start the command in a folder with a file ``app.py`` of this text; give the program, and what saves the file."""
    programs = []

    def save(text):
        (tmp_path / "app.py").write_text(text)

    def run(text, *options):
        save(text)
        programs.append(Program(tmp_path, "-m", "asyncflask", "run", "--port", "0", *options))
        return programs[-1], save

    yield run
    for program in programs:
        program.__exit__()


def test_a_broken_file_is_shown_in_the_browser_until_it_is_mended(run):
    program, save = run(FINE.format("one"), "--debug")
    program.get_until("one")
    for text, says in ((BROKEN, "SyntaxError: invalid syntax"), (MISSING, "No module named 'not_there_at_all'")):
        seen = len(program.lines)
        save(text)
        program.wait_for("Debugger PIN", after=seen)
        status, body = program.get(Accept="text/html")
        assert status == 500 and "Werkzeug Debugger" in body and says.replace("'", "&#39;") in body
        status, body = program.get()
        assert status == 500 and body.startswith(("Traceback", "  File")) and says in body
        assert any(says in line for line in program.lines[seen:])
    save(FINE.format("two"))
    program.get_until("two")
    assert program.end() == 0


def test_a_program_that_ends_is_told_of_until_it_is_mended(tmp_path):
    """Without the command there is no application to load: the program itself fails."""
    path = tmp_path / "program.py"
    fine = FINE + "if __name__ == '__main__':\n    app.run(debug=True, port=0)\n"
    path.write_text(fine.format("one"))
    with Program(tmp_path, "program.py") as program:
        program.get_until("one")
        for text in (BROKEN, "raise SystemExit(7)\n"):
            seen = len(program.lines)
            path.write_text(text)
            code = program.wait_for(r"The application ended with exit code (\d)", after=seen)[1]
            status, body = program.get()
            assert status == 503 and body.startswith(f"The application ended with exit code {code}.\n")
            assert program.headers["cache-control"] == "no-store"
        path.write_text(fine.format("two"))
        program.get_until("two")
        assert program.end() == 0


def test_with_the_reloader_the_first_start_may_fail(run):
    program, save = run(BROKEN, "--reload", "--no-debugger")
    program.wait_for("SyntaxError: invalid syntax")
    status, body = program.get(Accept="text/html")
    assert status == 500 and "could not be loaded: SyntaxError: invalid syntax" in body and "app.py, line 3" in body
    assert "Traceback" not in body
    save(FINE.format("mended"))
    program.get_until("mended")
    assert program.end() == 0


def test_without_it_that_is_the_end(run):
    program, _ = run(BROKEN)
    assert program.end(None) == 1
    assert program.lines[-2].startswith("Error: The application could not be loaded: SyntaxError: invalid syntax (")
