"""The package that is installed has all that its pages need, and shows the guide without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rollbook
from rollbook import clock
from rollbook.docs_site import guide
from tests.harness import running

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the wheel, as an installer puts them there."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_the_guide_and_all_files_of_the_package(installed: Path) -> None:
    package = installed / "rollbook"
    assert {path.name for path in (package / "docs").iterdir()} == {path.name for path in (ROOT / "docs").glob("*.md")}
    assert _files(ROOT / "src" / "rollbook") <= _files(package)
    assert {path.name for path in installed.iterdir()} == {
        "rollbook",
        *(path.name for path in installed.glob("*.dist-info")),
    }


def test_an_installed_command_names_the_commit_it_was_built_from(installed: Path) -> None:
    described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    commit = subprocess.run(described, capture_output=True, text=True, check=True).stdout.strip()
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); from rollbook.cli import version; print(version.line())"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"rollbook {rollbook.__version__} ({commit}), ")


def test_an_installed_server_shows_the_guide(installed: Path, tmp_path: Path) -> None:
    page = installed / "rollbook" / "docs" / "users.md"
    page.write_text(f"{page.read_text()}\n## Only in this package\n")
    with (
        running(tmp_path / "data", environment={"PYTHONPATH": str(installed)}) as server,
        server.http(None) as browser,
    ):
        browser.headers["Accept"] = "text/html"
        for path in (*(chapter.path for chapter in guide.CHAPTERS.values()), "/docs/errors/not_found"):
            answer = browser.get(path)
            assert answer.status_code == 200, path
            assert "<h1" in answer.text
            assert ("Only in this package" in answer.text) == (path == "/docs/users"), path


def test_a_checkout_shows_its_own_files() -> None:
    assert guide.folder() == ROOT / "docs"


def test_the_python_client_is_a_wheel_of_its_own_with_the_version_and_the_files_of_the_servers_own(
    installed: Path, tmp_path: Path
) -> None:
    folder = ROOT / "sdk" / "python"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"rollbook_client-{rollbook.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name.startswith("rollbook_client/")}
        licenses = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    assert files and licenses and "rollbook_client/py.typed" in files
    # The server signs no one in to other applications, and tests none.
    alone = ("rollbook_client/integrations/", "rollbook_client/testing.py")
    shared = {name: content for name, content in files.items() if not name.startswith(alone)}
    assert len(files) - len(shared) == 9
    assert {name.removeprefix("rollbook_client/"): content for name, content in shared.items()} == {
        path.relative_to(installed / "rollbook" / "_client").as_posix(): path.read_bytes()
        for path in (installed / "rollbook" / "_client").rglob("*")
        if path.is_file()
    }
    # Beside each other in one environment, they share no file: to uninstall one leaves the other.
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    both = [{path.name for path in site.iterdir()} for site in (installed, tmp_path / "site")]
    assert not both[0] & both[1]
    for site, program in (
        (installed, "import rollbook.cli.remote as it"),
        (tmp_path / "site", "import rollbook_client as it; it.Rollbook(url='http://localhost', key='rbk_x').users"),
    ):
        program = f"import sys; sys.path.insert(0, {str(site)!r}); {program}; print(it.__file__, *sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        file, *modules = done.stdout.split()
        assert Path(file).is_relative_to(site)
        assert ("rollbook" in modules) != ("rollbook_client" in modules)


def test_no_file_moves_the_clock_of_a_package(installed: Path, tmp_path: Path) -> None:
    clock.move(str(tmp_path / "clock"), clock.DAY)
    program = "from rollbook import clock; clock.follow_in_checkout(); print(clock.is_moved())"
    for folder, is_moved in ((ROOT / "src", True), (installed, False)):
        environment = {**os.environ, "PYTHONPATH": str(folder), "ROLLBOOK_CLOCK_FILE": str(tmp_path / "clock")}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{is_moved}\n", folder


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
