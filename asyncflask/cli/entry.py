"""The ``asyncflask`` script."""

from __future__ import annotations

from .flask_group import FlaskGroup

cli: FlaskGroup = FlaskGroup(
    name="asyncflask",
    help="""\
Runs and serves Flask applications, and the commands they have.

Name the application with the option '--app' or with the environment variable 'ASYNCFLASK_APP' or 'FLASK_APP', or call
its file 'wsgi.py' or 'app.py' and be in its folder.
""",
)


def main() -> None:
    """Run the script with the arguments of this process, then exit."""
    cli.main()
