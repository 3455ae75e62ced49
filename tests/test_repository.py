from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from huggingface_hub import metadata_load

ROOT = Path(__file__).resolve().parent.parent
APP = ("app.py", "demos", "hub", "tabletop")
AROUND = ("tests", "training", "bench")

# Pinned for their commands or as a plug-in, so never imported.
TOOLS = {
    "import-linter": "lint-imports, below",
    "mypy": "below",
    "pytest-xdist": "pytest -n, in the Makefile",
    "ruff": "below",
}

# Pinned because a library the app imports runs on it.
ENGINES = {
    "accelerate": "diffusers', for models larger than the GPU",
    "onnxruntime": "rapidocr's, which takes one of several",
    "lazrs": "laspy's, for compressed scans",
}

# What takes seconds to import, and must wait until the page is up.
HEAVY = {"torch", "transformers", "diffusers", "open3d", "cv2", "onnxruntime", "rapidocr", "assimp_py", "laspy"}

MODEL_FILE_LIMIT = 10 * 2**20  # bytes: what Spaces and git take without LFS


@pytest.mark.parametrize(
    "check",
    ["ruff check", "ruff format --check", "mypy .", "lint-imports --no-cache"],
)
def test_the_source_passes(check: str) -> None:
    tool, *arguments = check.split()
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{check}\n{done.stdout}{done.stderr}", pytrace=False)


def test_every_requirement_is_an_exact_pin() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in requirement_lines(name):
            assert re.fullmatch(r"-r requirements\.txt|[\w.-]+==[\w.]+", line), f"{name}: {line}"


def test_the_app_pins_what_it_imports_and_nothing_else() -> None:
    assert distributions(APP) | set(ENGINES) == set(pins("requirements.txt"))


def test_what_is_pinned_for_development_is_imported_or_a_named_tool() -> None:
    assert distributions(AROUND) - set(pins("requirements.txt")) == set(pins("requirements-dev.txt")) - set(TOOLS)


def test_importing_the_app_and_its_demos_leaves_the_heavy_libraries_unloaded() -> None:
    program = (
        "import app, demos, sys; demos.discover(); print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not (HEAVY | {"training", "bench"}) & set(done.stdout.split())


def test_the_front_matter_names_the_pinned_gradio_and_the_app() -> None:
    front = metadata_load(ROOT / "README.md")
    assert front is not None
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == pins("requirements.txt")["gradio"]
    assert re.fullmatch(r"3\.\d+(\.\d+)?", str(front["python_version"]))
    assert (ROOT / front["app_file"]).is_file()
    assert front["license"] == "apache-2.0"
    assert front["tags"]


def test_no_model_file_is_too_large_for_git() -> None:
    for path in files_under("assets/models"):
        assert path.stat().st_size <= MODEL_FILE_LIMIT, path


def test_each_model_has_a_card_and_matching_checksums() -> None:
    for model in sorted({folder_below("assets/models", path) for path in files_under("assets/models")}):
        folder = ROOT / "assets/models" / model
        assert (folder / "README.md").is_file(), model
        lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        sums = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
        files = {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files_under(f"assets/models/{model}")
        }
        assert sums == {name: digest for name, digest in files.items() if name not in ("README.md", "SHA256SUMS")}


def test_every_example_states_its_source_and_licence() -> None:
    folder = ROOT / "assets/examples"
    examples = {path.relative_to(folder).as_posix() for path in files_under("assets/examples")} - {"SOURCES.md"}
    table = [line for line in (folder / "SOURCES.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip(" `") for cell in line.strip("|").split("|")] for line in table)
    assert head == ["file", "what it is", "source", "licence"]
    assert all(len(row) == len(head) and all(row) for row in rows)
    assert {row[0] for row in rows} == examples


def test_no_file_holds_a_path_of_the_machine_it_was_made_on() -> None:
    made_here = re.compile(r"(?<![\w.}-])/(work|tmp|root)/")
    found = []
    for path in files_under("."):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {line.strip()}" for line in lines if made_here.search(line)]
    assert not found


def files_under(folder: str) -> list[Path]:
    """List the files of a folder that git knows or would add, so that caches and training state do not count."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def folder_below(parent: str, path: Path) -> str:
    return path.relative_to(ROOT / parent).parts[0]


def requirement_lines(name: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def pins(name: str) -> dict[str, str]:
    """Map each distribution that a requirements file pins itself to its version."""
    pairs = (line.split("==") for line in requirement_lines(name) if "==" in line)
    return {normal(distribution): version for distribution, version in pairs}


def distributions(places: tuple[str, ...]) -> set[str]:
    """Name the distributions whose modules the Python files of these places import, however late."""
    own = {place.removesuffix(".py") for place in APP + AROUND}
    named = set()
    for module in {name for path in python_files(places) for name in imported(path)}:
        if module not in sys.stdlib_module_names and module not in own:
            assert module in providers(), f"{module} is imported and comes from no installed package"
            named |= {normal(name) for name in providers()[module]}
    return named


def python_files(places: tuple[str, ...]) -> list[Path]:
    return [path for place in places for path in files_under(place) if path.suffix == ".py"]


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level name of every absolute import in a file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@cache
def providers() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
