"""The blueprint of an application that serves: with commands and files."""

from __future__ import annotations

import typing as t

from .lazy import lazy
from .lifetime import BlueprintLifetimes
from .resources import Resources
from .sansio.blueprints import Blueprint as SansioBlueprint
from .sansio.blueprints import BlueprintSetupState
from .sansio.scaffold import Folder, unset

if t.TYPE_CHECKING:
    from .cli import AppGroup

__all__ = ["Blueprint", "BlueprintSetupState"]


class Blueprint(Resources, BlueprintLifetimes, SansioBlueprint):
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

    @lazy
    def cli(self) -> AppGroup:  # type: ignore[override]
        """The blueprint's commands."""
        from .cli import AppGroup  # a layer above, and click with it: loaded when the first command is added

        return AppGroup(self.name)

    def open_resource(self, resource: str, mode: str = "rb", encoding: str | None = "utf-8") -> t.IO[t.Any]:
        """As `Resources.open_resource`; text is UTF-8 unless said otherwise."""
        return super().open_resource(resource, mode, encoding)
