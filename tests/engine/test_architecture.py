"""The arrows between packages and the shape of modules, as docs/architecture.md draws them.

The contracts themselves stand in pyproject.toml. Here they are run, and shown to bite: a copy of the code with one
forbidden import in it must be refused by the contract that is meant for it.
"""

import ast
import os
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("engine/proctor", "adapters/proctor_adapters")
    for path in (ROOT / folder).rglob("*.py")
    if "versions" not in path.parts  # migrations are history
)
VAGUE = {"common", "helper", "helpers", "manager", "managers", "misc", "shared", "util", "utils"}
MAX_LINES = 400

names = {"ids": lambda path: str(path.relative_to(ROOT))}


def _contracts(code: Path) -> tuple[int, str]:
    """Run import-linter on `code`, a folder with `engine` and `adapters` in it. Return (exit code, report)."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=code,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{code / 'engine'}{os.pathsep}{code / 'adapters'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the code that a test may spoil; each test mends what it spoiled."""
    folder = tmp_path_factory.mktemp("code")
    for name in ("engine", "adapters"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_import_contracts_hold(code: Path) -> None:
    status, report = _contracts(code)
    assert status == 0, report


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("engine/proctor/vocabulary/words.py", "import proctor.errors", None),
        ("engine/proctor/store/__init__.py", "import proctor.ledger", "Layers"),
        ("engine/proctor/decide/__init__.py", "import proctor.server", "Layers"),
        ("engine/proctor/decide/__init__.py", "import proctor_adapters.kubernetes", "The engine knows no adapter"),
        ("adapters/proctor_adapters/kubernetes/__init__.py", "import proctor.store", "Adapters see the plugin page"),
        ("engine/proctor/decide/__init__.py", "import opa_client", "One module imports the OPA client"),
        ("engine/proctor/vocabulary/words.py", "import httpx", "The vocabulary does no I/O"),
    ],
)
def test_each_contract_refuses_what_it_is_for(code: Path, module: str, line: str, contract: str | None) -> None:
    path = code / module
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{before}\n{line}\n", encoding="utf-8")
        status, report = _contracts(code)
    finally:
        path.write_text(before, encoding="utf-8")
    if contract is None:  # an arrow that points down: the copy and the check themselves break nothing
        assert status == 0, report
    else:
        assert status == 1, report
        broken = [row for row in report.splitlines() if " BROKEN" in row]
        assert any(row.strip().startswith(contract) for row in broken), report


def test_a_package_without_a_layer_is_refused(code: Path) -> None:
    stray = code / "engine" / "proctor" / "stray"
    stray.mkdir()
    try:
        (stray / "__init__.py").touch()
        status, report = _contracts(code)
    finally:
        shutil.rmtree(stray)
    assert status == 1, report
    assert "stray" in report


@pytest.mark.parametrize("path", SOURCES, **names)
def test_module_has_one_owner_and_says_which(path: Path) -> None:
    with tokenize.open(path) as source:
        text = source.read()
    lines = text.count("\n")
    assert lines <= MAX_LINES, f"{lines} lines: two owners live here, split it"
    assert not VAGUE & set(path.stem.split("_")), "name a module after what it owns"
    tree = ast.parse(text)
    if tree.body:
        assert ast.get_docstring(tree), "open with what the module owns"


@pytest.mark.parametrize("path", SOURCES, **names)
def test_nothing_suppresses_every_exception(path: Path) -> None:
    """The linter refuses `except Exception` that goes on as if nothing happened; this is its other spelling."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.With | ast.AsyncWith) and any(_suppresses(item.context_expr) for item in node.items):
            pytest.fail(f"line {node.lineno}: suppress(Exception)")


def _suppresses(expression: ast.expr) -> bool:
    return (
        isinstance(expression, ast.Call)
        and ast.unparse(expression.func).endswith("suppress")
        and any(ast.unparse(argument) in {"Exception", "BaseException"} for argument in expression.args)
    )


@pytest.mark.parametrize("path", SOURCES, **names)
def test_nothing_is_read_or_started_at_import(path: Path) -> None:
    """The environment is read by functions that are called: two servers in one process share no setting."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}:
                pytest.fail(f"line {node.lineno}: the environment is read at import")
