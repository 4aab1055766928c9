"""The blueprint of an application that serves: with commands and files."""

from __future__ import annotations

import os
import typing as t
from datetime import timedelta

from .globals import current_app
from .helpers import send_from_directory
from .sansio.blueprints import Blueprint as SansioBlueprint
from .sansio.blueprints import BlueprintSetupState
from .sansio.scaffold import Folder, unset

if t.TYPE_CHECKING:
    from .wrappers import Response

__all__ = ["Blueprint", "BlueprintSetupState"]


class Blueprint(SansioBlueprint):
    """A collection of routes, hooks, files and commands for applications it is registered on.

    Its arguments are those of `sansio.blueprints.Blueprint`.

    Source: Flask docs, "Modular Applications with Blueprints".
    """

    def __init__(
        self,
        name: str,
        import_name: str,
        static_folder: Folder = None,
        static_url_path: str | None = None,
        template_folder: Folder = None,
        url_prefix: str | None = None,
        subdomain: str | None = None,
        url_defaults: dict[str, t.Any] | None = None,
        root_path: str | None = None,
        cli_group: str | None = unset,
    ) -> None:
        super().__init__(
            name,
            import_name,
            template_folder=template_folder,
            static_folder=static_folder,
            static_url_path=static_url_path,
            root_path=root_path,
            url_prefix=url_prefix,
            url_defaults=url_defaults,
            subdomain=subdomain,
            cli_group=cli_group,
        )
        # the command line is a layer above: loaded when the first blueprint is made
        from .cli import AppGroup

        #: The blueprint's commands.
        self.cli = AppGroup(name)

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Return for how many seconds a client may keep a file unasked; None: it has to ask. For subclasses.

        Args:
            filename: path of the file.

        Returns:
            SEND_FILE_MAX_AGE_DEFAULT of the current application.
        """
        age: timedelta | int | None = current_app.config["SEND_FILE_MAX_AGE_DEFAULT"]
        return int(age.total_seconds()) if isinstance(age, timedelta) else age

    def send_static_file(self, filename: str) -> Response:
        """Answer with a file of the static folder: the view of the static route.

        Raises:
            NotFound: there is no such file.
            RuntimeError: there is no static folder.
        """
        folder = self.static_folder
        if folder is None:
            raise RuntimeError("'static_folder' must be set to serve static_files.")
        # send_file would ask the application, not the blueprint
        return send_from_directory(folder, filename, max_age=self.get_send_file_max_age(filename))

    def open_resource(self, resource: str, mode: str = "rb", encoding: str | None = "utf-8") -> t.IO[t.Any]:
        """Open a file below `root_path` for reading.

        Args:
            resource: path relative to `root_path`.
            mode: "rb", or "r" or "rt" for text.
            encoding: of the text; of no account for "rb".

        Raises:
            ValueError: another mode.
        """
        if mode not in ("rb", "r", "rt"):
            raise ValueError("Resources can only be opened for reading.")
        return open(os.path.join(self.root_path, resource), mode, encoding=None if mode == "rb" else encoding)
