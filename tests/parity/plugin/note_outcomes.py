"""A pytest plugin: writes what became of each test as it ends, so that a process that dies leaves what it had."""

from __future__ import annotations


def pytest_addoption(parser):
    parser.addoption("--outcomes", help="file to which a line is written for each test: outcome, tab, id")


def pytest_configure(config):
    config.pluginmanager.register(Outcomes(config.getoption("outcomes")))


class Outcomes:
    """Knows the worst of a test's parts, and writes it down."""

    def __init__(self, path):
        self.path = path
        self.worst = {}

    def pytest_runtest_logreport(self, report):
        """A test has passed if its set-up, its call and its teardown have."""
        if not report.passed:
            self.worst.setdefault(report.nodeid, report.outcome)

    def pytest_runtest_logfinish(self, nodeid):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{self.worst.get(nodeid, 'passed')}\t{nodeid}\n")
