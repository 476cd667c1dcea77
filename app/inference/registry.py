"""The models that lie in a folder. Imports without onnxruntime; a broken model never hides the good ones."""

from dataclasses import dataclass
from pathlib import Path

from app.errors import ManifestInvalidError, ModelError, ModelFileChangedError, ModelNotFoundError, NoModelError
from app.inference.manifest import MANIFEST_NAME, Manifest, read_manifest


@dataclass(frozen=True)
class _Entry:
    stamp: tuple[int, int, int]
    manifest: Manifest
    manifest_sha256: str


class ModelRegistry:
    """Looks up models by name. Manifests are read again when their file changes; files are hashed only at loading."""

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self._cache: dict[str, _Entry] = {}

    def names(self) -> list[str]:
        """Models that can be used, sorted. One is usable when its manifest is valid and its files are there."""
        return [name for name in self._folders() if self._fault(name) is None]

    def problems(self) -> dict[str, str]:
        """Folder name → why it cannot be used."""
        faults = {name: self._fault(name) for name in self._folders()}
        return {name: fault for name, fault in faults.items() if fault is not None}

    def manifest(self, name: str) -> Manifest:
        """ModelNotFoundError for an unknown name, ManifestInvalidError or ModelFileChangedError for a broken model."""
        return self._entry(name).manifest

    def manifest_sha256(self, name: str) -> str:
        """sha256 of manifest.json as read; raises as ``manifest``."""
        return self._entry(name).manifest_sha256

    def folder(self, name: str) -> Path:
        """The model's folder; ModelNotFoundError for an unknown name (a path is never a name)."""
        if name not in self._folders():  # compared with what is there, so that no path can pass for a name
            raise ModelNotFoundError(f"There is no model {name!r}: {self._known()}.")
        return self.models_dir / name

    def default(self, named: str | None, configured: str | None) -> str:
        """``named`` (by the request), else ``configured`` (XMAG_MODEL), else the only usable model.

        ModelNotFoundError for an unknown ``named``, or where one of several has to be named. NoModelError, which names
        the folder, where the installation has none to take. ``manifest`` tells what else may be wrong with ``named``.
        """
        if named:
            self.manifest(named)
            return named
        if configured:  # an empty XMAG_MODEL names nothing
            try:
                self.manifest(configured)
            except ModelError as error:
                raise NoModelError(f"XMAG_MODEL: {error.message} The models are in {self.models_dir}.") from error
            return configured
        names = self.names()
        if not names:
            faults = "".join(f" {name}: {fault}" for name, fault in self.problems().items())
            raise NoModelError(f"No usable model in {self.models_dir.absolute()}. Set XMAG_MODELS_DIR.{faults}")
        if len(names) > 1:
            raise ModelNotFoundError(f"Name one of {', '.join(names)}, in the request or in XMAG_MODEL.")
        return names[0]

    def _folders(self) -> list[str]:
        if not self.models_dir.is_dir():
            return []
        return sorted(p.name for p in self.models_dir.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))

    def _known(self) -> str:
        names = self.names()
        return f"known: {', '.join(names)}" if names else "the models folder holds no usable model"

    def _fault(self, name: str) -> str | None:
        try:
            self._entry(name)
        except ModelError as error:
            return error.message
        return None

    def _entry(self, name: str) -> _Entry:
        folder = self.folder(name)
        entry = self._read(name, folder)
        for file in entry.manifest.files():
            if not (folder / file.name).is_file():
                raise ModelFileChangedError(f"{name}/{file.name} is missing. Restore the model's folder.")
        return entry

    def _read(self, name: str, folder: Path) -> _Entry:
        try:
            stat = (folder / MANIFEST_NAME).stat()
        except OSError as error:
            raise ManifestInvalidError(f"{name}/{MANIFEST_NAME} cannot be read: {error.strerror}.") from error
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        cached = self._cache.get(name)
        if cached is not None and cached.stamp == stamp:
            return cached
        manifest, manifest_sha256 = read_manifest(folder)
        if manifest.name != name:
            raise ManifestInvalidError(
                f"{name}/{MANIFEST_NAME} is of model {manifest.name!r}: the folder must bear the model's name."
            )
        entry = _Entry(stamp, manifest, manifest_sha256)
        self._cache[name] = entry
        return entry
