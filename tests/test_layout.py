"""The repository is laid out as CONTRIBUTING.md says: modules have their tests, faces are whole, links lead on."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(ROOT.glob("packages/*/src/*"))
ADAPTERS = {
    "rime_grpc": "transport",
    "rime_ws": "transport",
    "rime_file_source": "source",
    "rime_k8s_source": "source",
}

PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "packages/*/*.md", "examples/**/*.md") for page in ROOT.glob(pattern)
)

WITHOUT_LOGIC = {"__init__.py", "__main__.py"}
"""They import, and at most look up names: what test_the_face_is_whole sees to, and starting the program."""


def named(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=PACKAGES, ids=lambda path: path.name)
def package(request):
    return request.param


def test_every_module_has_its_test(package):
    modules = [path.relative_to(package) for path in package.rglob("*.py") if path.name not in WITHOUT_LOGIC]
    expected = {ROOT / "tests" / package.name / module.parent / f"test_{module.name}" for module in modules}

    assert [named(path) for path in sorted(expected) if not path.is_file()] == []


def test_the_face_is_whole(package):
    """What `__init__` imports from its own modules, at once or on first use, or says itself: `__all__`."""
    statements = list(ast.walk(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))))
    imported = {
        alias.asname or alias.name
        for statement in statements
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(f"{package.name}.")
        for alias in statement.names
    }
    said = {
        statement.target.id
        for statement in statements
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    face = import_module(package.name)

    assert set(face.__all__) == imported | said
    assert [name for name in face.__all__ if getattr(face, name, None) is None] == []


def test_what_the_face_has_not_is_said_as_python_does(package):
    with pytest.raises(AttributeError, match=f"module '{package.name}' has no attribute 'nothing'"):
        _ = import_module(package.name).nothing


def test_every_folder_of_sources_and_tests_is_a_package_and_none_shadows_grpc(package):
    folders = [package, *(path.parent for top in (package, ROOT / "tests") for path in top.rglob("*.py"))]

    assert sorted({named(folder) for folder in folders if not (folder / "__init__.py").is_file()}) == []
    assert not {folder.name for folder in folders} & {"grpc", "google", "yaml", "click", "anyio"}


def test_every_distribution_is_typed_licensed_and_has_a_page(package):
    distribution = package.parents[1]

    assert (package / "py.typed").is_file()
    assert (distribution / "README.md").read_text(encoding="utf-8").startswith(f"# {distribution.name}\n")
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert (distribution / licence).read_bytes() == (ROOT / licence).read_bytes()


def test_every_distribution_is_in_the_tables(package):
    name = package.parents[1].name

    for page in ("README.md", "docs/README.md"):
        assert f"packages/{name}/README.md" in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(("adapter", "kind"), ADAPTERS.items())
def test_adapters_have_the_same_rooms(adapter, kind):
    [package] = [path for path in PACKAGES if path.name == adapter]

    assert {"plugin.py", "config.py", "errors.py", f"{kind}.py"} <= {path.name for path in package.iterdir()}


def test_every_page_is_listed():
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")

    assert [page.name for page in ROOT.glob("docs/*.md") if page.name != "README.md" and page.name not in listed] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    headings = {
        re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }

    missing = [
        target
        for target in targets
        if (target[1:] not in headings if target.startswith("#") else not (page.parent / target.split("#")[0]).exists())
    ]
    assert missing == []


def test_every_change_names_its_distribution():
    entries = re.findall(r"^- (\S+): ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert len(entries) == len(re.findall(r"^- ", text, re.MULTILINE)) > 0
    assert set(entries) <= {package.parents[1].name for package in PACKAGES}
