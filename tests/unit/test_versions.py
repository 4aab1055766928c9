"""What requests depend on changes one number."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import pytest

from asyncflask import App, request_started
from asyncflask.config import Config
from asyncflask.versions import Epoch, Version, WatchedDict


@pytest.fixture
def app() -> App:
    return App("versions", static_folder=None)


def test_a_follower_changes_with_what_it_follows() -> None:
    one, other = Version(), Version()
    one.follow(other)
    before = one.number, other.number
    other.bump()
    assert one.number != before[0] and other.number != before[1]
    before = one.number, other.number
    one.bump()
    assert one.number != before[0] and other.number == before[1]


def test_a_change_ends_an_epoch_and_begins_another() -> None:
    version = Version()
    before = version.epoch
    assert not before.over
    version.bump()
    assert before.over and version.epoch is not before and not version.epoch.over


def test_of_changes_at_once_each_one_ends_the_epoch_before_it() -> None:
    version = Version()
    seen: list[Epoch] = []
    together = threading.Barrier(4)

    def change() -> None:
        together.wait(30)
        for _ in range(2000):
            version.bump()
            seen.append(version.epoch)

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {epoch for epoch in seen if not epoch.over} == {version.epoch}


def test_followers_are_not_kept_alive() -> None:
    other, follower = Version(), Version()
    follower.follow(other)
    gone = weakref.ref(follower)
    del follower
    gc.collect()
    assert gone() is None
    other.bump()


@pytest.mark.parametrize("change", [lambda c: c.update(A=1), lambda c: c.setdefault("A", 1), lambda c: c.pop("DEBUG")])
def test_the_configuration_changes_the_app(app: App, change) -> None:
    number = app.tables.number
    change(app.config)
    assert app.tables.number != number


def test_another_configuration_does_as_well(app: App) -> None:
    app.config = Config("/", dict(app.config))
    number = app.tables.number
    app.config["THREADED"] = False
    assert app.tables.number != number


def test_receivers_change_every_app(app: App) -> None:
    numbers = [app.tables.number]

    def receiver(sender: App) -> None: ...

    with request_started.connected_to(receiver, app):
        numbers.append(app.tables.number)
    numbers.append(app.tables.number)
    assert len(set(numbers)) == 3


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copy_of_a_configuration_is_a_dict_of_its_own(make) -> None:
    config = Config("/there", {"A": [1]})
    twin = make(config)
    assert type(twin) is Config and twin == config and twin.root_path == "/there"
    twin["B"] = 2
    assert "B" not in config


def test_a_watched_dict_without_a_version_has_its_own() -> None:
    watched: WatchedDict[str, int] = WatchedDict()
    number = watched.version.number
    watched["a"] = 1
    assert watched.version.number != number
