"""Loading settings, and who wins."""

from __future__ import annotations

import io
import json
import os
import tomllib

import pytest

from asyncflask.config import Config, ConfigAttribute, env_setting


@pytest.fixture
def config(tmp_path):
    return Config(tmp_path)


class Settings:
    A = 1
    B_2 = (2,)
    lower = Mixed = "out"


def test_starts_with_a_copy_of_the_defaults():
    defaults = {"A": 1}
    config = Config("/", defaults)
    config["A"] = 2
    assert defaults == {"A": 1} and config == {"A": 2} and config.root_path == "/"
    assert Config("/") == {}
    assert repr(config) == "<Config {'A': 2}>"
    assert repr(type("Own", (Config,), {})("/")) == "<Own {}>"


def test_from_object_takes_upper_case_attributes(config):
    config.from_object(Settings)
    assert config == {"A": 1, "B_2": (2,)}


def test_from_object_imports_a_name(config):
    config.from_object("errno")
    assert config["ENOENT"] == 2 and "errorcode" not in config
    with pytest.raises(ImportError, match="no_such_module_here"):
        config.from_object("no_such_module_here")


def test_from_mapping(config):
    assert config.from_mapping({"A": 1, "b": 2}, C=3, d=4) is True
    assert config.from_mapping([("E", 5)], A=6)
    assert config.from_mapping()
    assert config == {"A": 6, "C": 3, "E": 5}
    with pytest.raises(TypeError):
        config.from_mapping({}, {})


def test_loaders_go_through_setitem(tmp_path):
    class Checked(Config):
        def __setitem__(self, key, value):
            super().__setitem__(key, str(value))

    config = Checked(tmp_path)
    config.from_object(Settings)
    config.from_mapping(C=3)
    assert config == {"A": "1", "B_2": "(2,)", "C": "3"}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_from_pyfile(config, tmp_path, encoding):
    path = tmp_path / "conf.py"
    path.write_text(f"# -*- coding: {encoding} -*-\nimport os\nNAME = 'Zoë'\nFILE = __file__\nsmall = 1\n", encoding)
    assert config.from_pyfile("conf.py") is True
    assert config == {"NAME": "Zoë", "FILE": os.fspath(path)}


def test_a_path_may_be_absolute(config, tmp_path):
    (tmp_path / "conf.py").write_text("A = 1")
    elsewhere = Config("/nowhere")
    assert elsewhere.from_pyfile(tmp_path / "conf.py") and elsewhere == {"A": 1}


def test_an_error_in_a_pyfile_is_raised_as_it_is(config, tmp_path):
    (tmp_path / "conf.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        config.from_pyfile("conf.py", silent=True)


def test_missing_files(config, tmp_path):
    for load in (config.from_pyfile, lambda name, **kw: config.from_file(name, json.load, **kw)):
        with pytest.raises(FileNotFoundError) as info:
            load("missing.cfg")
        assert str(info.value).startswith(
            "[Errno 2] Unable to load configuration file (No such file or directory): '"
        ) and str(info.value).endswith("missing.cfg'")
        assert load("missing.cfg", silent=True) is False
        assert load(".", silent=True) is False
        with pytest.raises(IsADirectoryError):
            load(".")


def test_only_a_pyfile_forgives_a_file_in_place_of_a_folder(config, tmp_path):
    (tmp_path / "file").touch()
    assert config.from_pyfile("file/conf.py", silent=True) is False
    with pytest.raises(NotADirectoryError):
        config.from_file("file/conf.json", json.load, silent=True)


def test_silence_is_about_missing_files_only(config, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match=r"Unable to load configuration file \(Permission denied\)"):
        config.from_pyfile("conf.py", silent=True)


def test_from_file(config, tmp_path):
    (tmp_path / "a.json").write_text('{"A": 1, "b": 2}')
    (tmp_path / "b.toml").write_text("B = 2")
    (tmp_path / "c.json").write_text("{}")
    assert config.from_file("a.json", json.load) is True
    assert config.from_file("b.toml", tomllib.load, text=False) is True
    assert config.from_file("c.json", json.load) is True
    assert config == {"A": 1, "B": 2}


def test_from_file_opens_text_or_bytes(config, tmp_path):
    (tmp_path / "a").write_text("x")
    kinds = []
    config.from_file("a", lambda file: kinds.append(type(file)) or {})
    config.from_file("a", lambda file: kinds.append(type(file)) or {}, text=False)
    assert kinds == [io.TextIOWrapper, io.BufferedReader]


def test_from_envvar(config, tmp_path, monkeypatch):
    (tmp_path / "conf.py").write_text("A = 1")
    monkeypatch.setenv("SETTINGS_FILE", "conf.py")
    assert config.from_envvar("SETTINGS_FILE") is True and config == {"A": 1}
    monkeypatch.setenv("SETTINGS_FILE", "missing.py")
    assert config.from_envvar("SETTINGS_FILE", silent=True) is False
    with pytest.raises(FileNotFoundError):
        config.from_envvar("SETTINGS_FILE")


@pytest.mark.parametrize("value", [None, ""])
def test_from_envvar_without_the_variable(config, monkeypatch, value):
    monkeypatch.delenv("SETTINGS_FILE", raising=False)
    if value is not None:
        monkeypatch.setenv("SETTINGS_FILE", value)
    assert config.from_envvar("SETTINGS_FILE", silent=True) is False
    with pytest.raises(RuntimeError, match="'SETTINGS_FILE' is not set"):
        config.from_envvar("SETTINGS_FILE")


def test_from_prefixed_env_parses_and_nests(config, monkeypatch):
    monkeypatch.setattr(
        "os.environ",
        {
            "FLASK_TEXT": "value",
            "FLASK_BOOL": "true",
            "FLASK_LIST": "[1, 2]",
            "FLASK_DB__HOST": "h",
            "FLASK_DB__POOL__size": "3",
            "FLASK_NEW__K": "v",
            "NOT_FLASK_A": "1",
            "FLASKY": "1",
        },
    )
    config["DB"] = {"PORT": 1}
    assert config.from_prefixed_env() is True
    assert config == {
        "TEXT": "value",
        "BOOL": True,
        "LIST": [1, 2],
        "DB": {"PORT": 1, "HOST": "h", "POOL": {"size": 3}},
        "NEW": {"K": "v"},
    }


def test_our_own_prefix_wins_over_flasks(config, monkeypatch):
    monkeypatch.setattr(
        "os.environ", {"ASYNCFLASK_A": "ours", "FLASK_A": "theirs", "FLASK_D__X": "1", "ASYNCFLASK_D__Y": "2"}
    )
    config.from_prefixed_env()
    assert config == {"A": "ours", "D": {"X": 1, "Y": 2}}


def test_another_prefix_is_taken_alone(config, monkeypatch):
    monkeypatch.setattr("os.environ", {"APP_A": "1", "FLASK_B": "1", "ASYNCFLASK_C": "1"})
    config.from_prefixed_env("APP", loads=lambda text: text * 2)
    assert config == {"A": "11"}


def test_get_namespace(config):
    config.update(FOO_A_B=1, FOO_C=2, BAR=3)
    assert config.get_namespace("FOO_") == {"a_b": 1, "c": 2}
    assert config.get_namespace("FOO_", lowercase=False) == {"A_B": 1, "C": 2}
    assert config.get_namespace("FOO_", trim_namespace=False) == {"foo_a_b": 1, "foo_c": 2}


def test_config_attribute_reads_and_writes_the_config():
    class Owner:
        plain = ConfigAttribute("PLAIN")
        length = ConfigAttribute("LENGTH", get_converter=int)

        def __init__(self):
            self.config = {"PLAIN": 1, "LENGTH": "42"}

    owner = Owner()
    assert (owner.plain, owner.length) == (1, 42)
    owner.plain = 2
    owner.config["LENGTH"] = "43"
    assert (owner.config["PLAIN"], owner.length) == (2, 43)
    assert isinstance(Owner.plain, ConfigAttribute) and Owner.plain.__name__ == "PLAIN"


def test_env_setting(monkeypatch):
    monkeypatch.setattr("os.environ", {})
    assert env_setting("APP") is None
    os.environ["FLASK_APP"] = "theirs"
    assert env_setting("APP") == "theirs"
    os.environ["ASYNCFLASK_APP"] = ""
    assert env_setting("APP") == "theirs"
    os.environ["ASYNCFLASK_APP"] = "ours"
    assert env_setting("APP") == "ours"
