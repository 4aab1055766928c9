"""The files that belong to an application or a blueprint: opened, or served from its static folder."""

from __future__ import annotations

import os
import typing as t
from datetime import timedelta

from .globals import current_app
from .helpers import send_from_directory

if t.TYPE_CHECKING:
    from .sansio.scaffold import Folder
    from .wrappers import Response


class Resources:
    """Files below `root_path`, and below `static_folder`."""

    if t.TYPE_CHECKING:
        root_path: str

        @property
        def static_folder(self) -> str | None: ...
        @static_folder.setter
        def static_folder(self, value: Folder) -> None: ...

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

    def open_resource(self, resource: str, mode: str = "rb", encoding: str | None = None) -> t.IO[t.Any]:
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
