"""What a blueprint of a serving application has beyond the registry: commands and files."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest

import asyncflask.blueprints
from asyncflask import blueprints, cli
from asyncflask.globals import _cv_app
from asyncflask.sansio.blueprints import Blueprint as SansioBlueprint
from asyncflask.sansio.blueprints import BlueprintSetupState


@pytest.fixture
def bp(tmp_path):
    return blueprints.Blueprint("bp", "plain", static_folder="files", root_path=str(tmp_path))


@pytest.fixture
def config():
    config = {"SEND_FILE_MAX_AGE_DEFAULT": None}
    token = _cv_app.set(SimpleNamespace(app=SimpleNamespace(config=config)))
    yield config
    _cv_app.reset(token)


def test_arguments_by_position(tmp_path):
    given = ("name", "plain", "files", "/s", "pages", "/p", "sub", {"a": 1}, str(tmp_path), "group")
    bp = blueprints.Blueprint(*given)
    assert (bp.name, bp.import_name, bp._static_folder, bp.static_url_path, bp.template_folder) == given[:5]
    assert (bp.url_prefix, bp.subdomain, bp.url_values_defaults, bp.root_path, bp.cli_group) == given[5:]
    assert isinstance(bp, SansioBlueprint)


def test_it_has_commands_of_its_name(bp):
    assert isinstance(bp.cli, cli.AppGroup) and bp.cli.name == "bp" and not bp.cli.commands


@pytest.mark.parametrize(
    ("setting", "age"), [(None, None), (60, 60), (datetime.timedelta(minutes=2, milliseconds=900), 120), (0, 0)]
)
def test_how_long_a_file_may_be_kept(bp, config, setting, age):
    config["SEND_FILE_MAX_AGE_DEFAULT"] = setting
    assert bp.get_send_file_max_age("any.txt") == age


def test_a_static_file_is_kept_as_long_as_the_blueprint_says(bp, config, monkeypatch, tmp_path):
    sent = []
    monkeypatch.setattr("asyncflask.resources.send_from_directory", lambda *args, **kwargs: sent.append((args, kwargs)))
    monkeypatch.setattr(bp, "get_send_file_max_age", lambda filename: {"a.txt": 7}[filename])
    bp.send_static_file("a.txt")
    assert sent == [((str(tmp_path / "files"), "a.txt"), {"max_age": 7})]


def test_no_static_folder_no_static_files():
    bp = blueprints.Blueprint("bp", "plain", root_path="base")
    with pytest.raises(RuntimeError) as caught:
        bp.send_static_file("a.txt")
    assert str(caught.value) == "'static_folder' must be set to serve static_files."


def test_open_resource(bp, tmp_path):
    (tmp_path / "a.txt").write_bytes("grün".encode())
    expected = {"rb": "grün".encode(), "r": "grün", "rt": "grün"}
    for mode, content in expected.items():
        with bp.open_resource("a.txt", mode) as resource:
            assert resource.read() == content
    with bp.open_resource("a.txt") as resource:
        assert resource.read() == expected["rb"]
    with bp.open_resource("a.txt", "r", encoding="latin-1") as resource:
        assert resource.read() == "grÃ¼n"


@pytest.mark.parametrize("mode", ["w", "wb", "a", "rw", "r+"])
def test_resources_are_only_read(bp, mode):
    with pytest.raises(ValueError) as caught:
        bp.open_resource("a.txt", mode)
    assert str(caught.value) == "Resources can only be opened for reading."


def test_names_that_applications_import():
    assert asyncflask.blueprints.BlueprintSetupState is BlueprintSetupState
