"""The copy of the checkout that mutmut changes, with nothing in it that mutmut would pass over.

mutmut leaves functions with decorators alone: every Celery task, property, validator and `@exact`
calculation, and so the better part of the steps. In the copy each of them only calls a plain
function with its body, which mutmut changes like any other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

COPIED = (
    *("execution", "tasks", "workers", "simulators", "migrations", "tests", "docs"),
    *("celeryconfig.py", "alembic.ini", "pyproject.toml"),
)
DOMAIN, STEPS = "execution/domain", "tasks"
# Workers import it before any step.
_INSTALL = b"\nfrom tests.chaos.mutation_mark import install\n\ninstall()\n"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def refresh(root: Path, copy: Path) -> None:
    """Bring `copy` up to date with the checkout at `root`.

    Files that have not changed are not touched: by their times mutmut knows what is new.
    """
    wanted = dict(_files(root))
    for relative in dict(_files(copy)).keys() - wanted.keys():
        (copy / relative).unlink()
    for relative, source in wanted.items():
        target = copy / relative
        text = _text(relative, source.read_bytes())
        if not target.exists() or target.read_bytes() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)


def _text(relative: Path, text: bytes) -> bytes:
    """What the copy of a file holds."""
    if relative == Path(STEPS, "__init__.py"):
        return text + _INSTALL
    if relative.suffix == ".py" and any(relative.is_relative_to(part) for part in (DOMAIN, STEPS)):
        return without_decorated_bodies(text.decode()).encode()
    return text


def _files(root: Path) -> Iterator[tuple[Path, Path]]:
    """Each file to copy, by its path below `root`."""
    for name in COPIED:
        part = root / name
        found = [part] if part.is_file() else part.rglob("*")
        for path in found:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root), path


def without_decorated_bodies(source: str) -> str:
    """The same module, with the body of each decorated function in a plain one beside it."""
    lines = source.splitlines()
    # From the end, so that the line numbers of what comes before stay right.
    for owner, inside in reversed(_decorated(ast.parse(source))):
        after = owner.end_lineno or 0
        bodies: list[str] = []
        for function in reversed(inside):
            name = "_".join(("_body_of", *([owner.name] * (owner is not function)), function.name))
            bodies = [*_plain(function, name, lines), *bodies]
            first, last = function.body[0].lineno - 1, function.end_lineno or 0
            after -= last - first - 1
            lines[first:last] = [" " * function.body[0].col_offset + _call(function, name)]
        lines[after:after] = bodies
    return "\n".join([*lines, ""])


def _decorated(module: ast.Module) -> list[tuple[ast.ClassDef | Function, list[Function]]]:
    """Each statement that holds decorated functions, with them: a class, or a function itself."""
    found: list[tuple[ast.ClassDef | Function, list[Function]]] = []
    for statement in module.body:
        if isinstance(statement, ast.ClassDef):
            inside = [node for node in statement.body if isinstance(node, Function)]
        else:
            inside = [statement] if isinstance(statement, Function) else []
        inside = [function for function in inside if _is_decorated(function)]
        if inside and isinstance(statement, ast.ClassDef | Function):
            found.append((statement, inside))
    return found


def _is_decorated(function: Function) -> bool:
    """Whether mutmut would pass over the function, and its body can do without its class."""
    match function.decorator_list:
        case [] | [ast.Name("staticmethod" | "classmethod")]:
            return False
        case _:
            names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            return not names & {"super", "__class__"}


def _plain(function: Function, name: str, lines: list[str]) -> list[str]:
    """The lines of a function `name` that has the body, without decorators and defaults."""
    arguments = function.args
    bare = ast.arguments(
        posonlyargs=arguments.posonlyargs,
        args=arguments.args,
        vararg=arguments.vararg,
        kwonlyargs=arguments.kwonlyargs,
        kw_defaults=[None] * len(arguments.kwonlyargs),
        kwarg=arguments.kwarg,
        defaults=[],
    )
    kind = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    # As they stand: indented once more than need be, so that no string with several lines changes.
    body = lines[function.body[0].lineno - 1 : function.end_lineno]
    return ["", "", f"{kind} {name}({ast.unparse(bare)}):", *body]


def _call(function: Function, name: str) -> str:
    """The statement that calls `name` with what the function was called with."""
    arguments = function.args
    given = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if arguments.vararg is not None:
        given.append(f"*{arguments.vararg.arg}")
    given += [f"{argument.arg}={argument.arg}" for argument in arguments.kwonlyargs]
    if arguments.kwarg is not None:
        given.append(f"**{arguments.kwarg.arg}")
    wait = "await " if isinstance(function, ast.AsyncFunctionDef) else ""
    return f"return {wait}{name}({', '.join(given)})"
