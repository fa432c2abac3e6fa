"""Which embedding models exist on this machine, and whether they are fit to use.

Standard library only: the model itself is read by `embedder`, and by a child process of it that
may die in our place when a library was built for another processor.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from memdesk.disk import write_text
from memdesk.errors import Invalid, ModelError

if TYPE_CHECKING:
    import os

POOLINGS = ("mean", "cls", "last")
MAX_CONTEXT = 2048
"""The longest text a model is given, in tokens: memory for longer ones grows with the square."""

# From here on an exit code is a shell's word for a signal, or Windows' for a crash.
_SIGNALLED = 128
PROBE_SECONDS = 60.0
_log = logging.getLogger(__name__)
_MAGIC = b"GGUF"
_BUNDLED_FILE = "all-MiniLM-L6-v2.f16.gguf"
_REINSTALL = (
    'reinstall llama-cpp-python with the build flags scripts/start sets; see README "The model"'
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One embedding model: its file, and how its vectors are made."""

    name: str
    path: Path
    sha256: str
    """Of the file, 64 hexadecimal digits."""
    size: int
    """Of the file, in bytes."""
    dims: int
    context: int
    """The longest text it reads, in tokens, special ones included; longer ones are cut."""
    pooling: str
    """How token vectors become one: one of `POOLINGS`."""
    normalize: bool = True
    query_prefix: str = ""
    document_prefix: str = ""

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits, the same exactly when the vectors are."""
        prefixes = [self.query_prefix, self.document_prefix]
        parts = [self.sha256, self.pooling, self.normalize, *prefixes]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


class Report(TypedDict):
    """What the probe's child found out about a model file."""

    architecture: str
    name: str
    dims: int
    context: int
    pooling: str


def _bundled_path() -> Path:
    """In an installed package, or else in the checkout beside it."""
    package = Path(__file__).resolve().parent
    installed = package / "models" / _BUNDLED_FILE
    return installed if installed.is_file() else package.parent / "models" / _BUNDLED_FILE


BUNDLED = ModelSpec(
    name="all-MiniLM-L6-v2",
    path=_bundled_path(),
    sha256="d76988021f14a3f88f8ff308f8f70bcc907fc6acd01c3384f7ec9be7814b56d0",
    size=46220480,
    dims=384,
    context=512,
    pooling="mean",
)
"""The model that comes with memdesk; made by models/make_minilm.py."""

_BGE_QUERY = "Represent this sentence for searching relevant passages: "
_FAMILIES = (
    # Pattern over "architecture name", then query and document prefix; all from the model cards of
    # nomic-embed-text, e5 and multilingual-e5, bge-*-en-v1.5, mxbai-embed-large and EmbeddingGemma.
    (r"nomic-(?:bert|embed)", "search_query: ", "search_document: "),
    (r"e5[-_ ](?:small|base|large)", "query: ", "passage: "),
    (r"bge[-_ ](?:small|base|large)[-_ ]en", _BGE_QUERY, ""),
    (r"mxbai[-_ ]embed[-_ ]large", _BGE_QUERY, ""),
    (r"gemma-embedding|embeddinggemma", "task: search result | query: ", "title: none | text: "),
)


class _Verified(TypedDict):
    size: int
    mtime_ns: int
    sha256: str


class _State(TypedDict):
    models: list[dict[str, str | int | bool]]
    probes: dict[str, Report]
    verified: dict[str, _Verified]


class Catalog:
    """The models of one data folder: the bundled one and those added by path."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "models.json"

    def list(self) -> list[ModelSpec]:
        """Every model, the bundled one first."""
        return [BUNDLED, *(_spec(row) for row in self._read()["models"])]

    def get(self, name: str) -> ModelSpec:
        """The model of that name; raises ModelError with the names there are."""
        for spec in self.list():
            if spec.name == name:
                return spec
        known = ", ".join(spec.name for spec in self.list())
        raise ModelError(f"there is no model named {name!r}; there are: {known}")

    def add(
        self,
        file: Path,
        *,
        name: str | None = None,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        pooling: str | None = None,
    ) -> ModelSpec:
        """Enter a GGUF file that stays where it is; a prefix of None is the family's own.

        Loads it once in a child process. Raises ModelError if it is no embedding model, Invalid if
        the name is taken or the pooling unknown.
        """
        file = file.absolute()
        name = name or file.name.removesuffix(".gguf")
        self._check_free(name, file)
        if pooling is not None and pooling not in POOLINGS:
            raise Invalid("pooling", f"must be one of {', '.join(POOLINGS)}")
        _check_gguf(file)
        report = probe(file, pooling)
        known = _family_prefixes(f"{report['architecture']} {report['name']} {file.name}")
        spec = ModelSpec(
            name=name,
            path=file,
            sha256=_sha256(file),
            size=file.stat().st_size,
            dims=report["dims"],
            context=report["context"],
            pooling=report["pooling"],
            query_prefix=known[0] if query_prefix is None else query_prefix,
            document_prefix=known[1] if document_prefix is None else document_prefix,
        )
        self._enter(spec, report)
        return spec

    def _check_free(self, name: str, file: Path) -> None:
        for spec in self.list():
            if spec.name == name and (spec.path != file or spec is BUNDLED):
                raise Invalid("name", f"{name!r} is already the model {spec.path}; give another")

    def _enter(self, spec: ModelSpec, report: Report) -> None:
        state = self._read()
        rows = [row for row in state["models"] if row["name"] != spec.name]
        row = dataclasses.asdict(spec) | {"path": str(spec.path)}
        state["models"] = [*rows, row]
        state["probes"][_probe_key(spec)] = report
        self._write(state)

    def verify(self, spec: ModelSpec) -> None:
        """Check that the file is there and unchanged; raises ModelError that says what is wrong.

        Reads the whole file only when its size or time stamp are not those of the last check.
        """
        try:
            stat = spec.path.stat()
        except OSError as error:
            raise ModelError(
                f"the model file {spec.path} cannot be read ({error.strerror}); {_remedy(spec)}"
            ) from error
        if stat.st_size != spec.size:
            raise ModelError(
                f"the model file {spec.path} has {stat.st_size} bytes instead of {spec.size};"
                f" {_remedy(spec)}"
            )
        seen = self._read()["verified"].get(str(spec.path))
        if seen != _Verified(size=stat.st_size, mtime_ns=stat.st_mtime_ns, sha256=spec.sha256):
            self._verify_content(spec, stat)

    def _verify_content(self, spec: ModelSpec, stat: os.stat_result) -> None:
        if _sha256(spec.path) != spec.sha256:
            raise ModelError(
                f"the model file {spec.path} is not the one recorded (its sha256 differs);"
                f" {_remedy(spec)}"
            )
        state = self._read()
        state["verified"][str(spec.path)] = _Verified(
            size=stat.st_size, mtime_ns=stat.st_mtime_ns, sha256=spec.sha256
        )
        self._write(state)

    def ensure_probed(self, spec: ModelSpec) -> None:
        """Probe the model unless it once ran with this library on this kind of machine."""
        key = _probe_key(spec)
        if key in self._read()["probes"]:
            return
        report = probe(spec.path, spec.pooling)
        state = self._read()
        state["probes"][key] = report
        self._write(state)

    def _read(self) -> _State:
        state = _State(models=[], probes={}, verified={})
        try:
            found = json.loads(self._file.read_text("utf-8"))
            state["models"] = [_checked(row) for row in found["models"]]
            state["probes"] = dict(found["probes"])
            state["verified"] = dict(found["verified"])
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError):
            self._set_aside()
            state = _State(models=[], probes={}, verified={})
        except OSError as error:
            raise ModelError(f"{self._file} cannot be read: {error.strerror}") from error
        return state

    def _set_aside(self) -> None:
        aside = self._file.with_name(f"models.json.broken-{time.time_ns()}")
        try:
            self._file.replace(aside)
        except OSError as error:
            raise ModelError(f"{self._file} is damaged and cannot be set aside") from error
        _log.warning("%s was damaged; it is now %s, add your models again", self._file, aside)

    def _write(self, state: _State) -> None:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_text(self._file, json.dumps(state, indent=1, sort_keys=True))
        except OSError as error:
            raise ModelError(f"{self._file} cannot be written: {error.strerror}") from error


def probe(file: Path, pooling: str | None = None) -> Report:
    """Load the model and embed with it in a child process; raises ModelError if that fails.

    `pooling` of None is the file's own. Takes about a second, at most `PROBE_SECONDS`.
    """
    command = [*_probe_command(), str(file), pooling or ""]
    try:
        child = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"trying the model {file} took over {PROBE_SECONDS:.0f} s and was stopped;"
            " try again when the machine is less busy, or choose a smaller model"
        ) from error
    except OSError as error:
        raise ModelError(f"the model {file} could not be tried: {error.strerror}") from error
    return _report(file, child)


def _probe_command() -> list[str]:
    """`python -m memdesk.embedder`, but deaf to what lies in the working folder.

    `-m` would import from there first, and hosts start us in folders of other people's code.
    """
    here = str(Path(__file__).resolve().parent.parent)
    code = f"import sys; sys.path.append({here!r}); from memdesk.embedder.__main__ import main; "
    return [sys.executable, "-P", "-c", code + "sys.exit(main(sys.argv[1:]))"]


def _report(file: Path, child: subprocess.CompletedProcess[bytes]) -> Report:
    if child.returncode not in range(_SIGNALLED):
        raise ModelError(
            f"llama.cpp crashed while trying the model {file} (code {child.returncode}): its build"
            f" does not suit this processor, or the file is damaged; {_REINSTALL}"
        )
    try:
        answer = json.loads(child.stdout.splitlines()[-1])
        if "error" in answer:
            raise ModelError(str(answer["error"]))
        return Report(
            architecture=str(answer["architecture"]),
            name=str(answer["name"]),
            dims=int(answer["dims"]),
            context=int(answer["context"]),
            pooling=str(answer["pooling"]),
        )
    except (ValueError, KeyError, IndexError, TypeError) as error:
        lines = child.stderr.decode("utf-8", "replace").split("\n")
        words = next((line.strip() for line in reversed(lines) if line.strip()), "no words")
        raise ModelError(f"trying the model {file} failed: {words}; {_REINSTALL}") from error


def _probe_key(spec: ModelSpec) -> str:
    try:
        library = version("llama-cpp-python")
    except PackageNotFoundError:
        library = "none"
    return "/".join((spec.sha256[:16], spec.pooling, library, _machine()))


def _machine() -> str:
    """The kind of processor, as 12 digits: a data folder may move to another machine."""
    flags = platform.processor()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            flags = next((line for line in lines if line.startswith(("flags", "Features"))), flags)
    except OSError:
        pass
    return hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:12]


def _family_prefixes(words: str) -> tuple[str, str]:
    for pattern, query, document in _FAMILIES:
        if re.search(pattern, words, re.IGNORECASE):
            return query, document
    return "", ""


def _check_gguf(file: Path) -> None:
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_MAGIC))
    except OSError as error:
        raise ModelError(f"the model file {file} cannot be read: {error.strerror}") from error
    if start != _MAGIC:
        raise ModelError(f"{file} is not a GGUF file; give the path of an embedding model in GGUF")


def _remedy(spec: ModelSpec) -> str:
    if spec is BUNDLED:
        return "reinstall memdesk to get its model back"
    return f"put the file back, or add it again with: memdesk model add {spec.path}"


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"the model file {file} cannot be read: {error.strerror}") from error


def _checked(row: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
    _spec(row)
    return row


def _spec(row: dict[str, str | int | bool]) -> ModelSpec:
    return ModelSpec(
        name=str(row["name"]),
        path=Path(str(row["path"])),
        sha256=str(row["sha256"]),
        size=int(row["size"]),
        dims=int(row["dims"]),
        context=int(row["context"]),
        pooling=str(row["pooling"]),
        normalize=bool(row["normalize"]),
        query_prefix=str(row["query_prefix"]),
        document_prefix=str(row["document_prefix"]),
    )
