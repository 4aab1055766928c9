"""Rules that every source file keeps: sizes, private names, module docstrings, no trace of somebody's machine."""

from __future__ import annotations

import ast
import io
import re
import tokenize

FUNCTION_LINES = 40
FUNCTION_BRANCHES = 10
MODULE_LINES = 400
#: What may be longer than the rule, and how long; each with its reason.
EXCEPTIONS = {
    "asyncflask/app.py": 500,  # wires everything, and has Flask's overridable seams
}
#: Private names that Flask itself has in these places, so that extensions and its own tests find them there.
FLASKS_PRIVATE = {
    "_AppCtxGlobals",
    "_CollectErrors",
    "_cv_app",
    "_cv_request",
    "_default",
    "_default_template_ctx_processor",
    "_endpoint_from_view_func",
    "_no_app_msg",
    "_no_req_msg",
    "_sentinel",
    "_split_blueprint_path",
}
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def docstring_lines(tree: ast.AST) -> set[int]:
    """Lines of every string that stands as a statement of its own."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def code_lines(text: str, tree: ast.AST) -> set[int]:
    """Lines that hold code: no blank lines, comments or docstrings."""
    lines: set[int] = set()
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - docstring_lines(tree)


def branches(function: ast.AST) -> int:
    """Count the branches of a function, those of functions inside it left out."""
    own = [node for node in ast.iter_child_nodes(function) if not isinstance(node, FUNCTIONS)]
    return sum(isinstance(node, BRANCHES) + branches(node) for node in own)


def functions(tree: ast.AST):
    return [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]


def test_functions_are_short(sources):
    long = []
    for source in sources:
        code = code_lines(source.text, source.tree)
        for function in functions(source.tree):
            size = len(code & set(range(function.lineno, (function.end_lineno or 0) + 1)))
            if size > EXCEPTIONS.get(f"{source.path}::{function.name}", FUNCTION_LINES):
                long.append(f"{source.path}:{function.lineno} {function.name}: {size} lines")
    assert not long


def test_functions_have_few_branches(sources):
    tangled = [
        f"{source.path}:{function.lineno} {function.name}: {branches(function)} branches"
        for source in sources
        for function in functions(source.tree)
        if branches(function) > FUNCTION_BRANCHES
    ]
    assert not tangled


def test_modules_are_short(sources):
    sizes = {source.path: len(code_lines(source.text, source.tree)) for source in sources}
    long = {path: size for path, size in sizes.items() if size > EXCEPTIONS.get(path, MODULE_LINES)}
    assert not long


def test_exceptions_are_needed(sources):
    paths = {source.path for source in sources}
    assert {key.partition("::")[0] for key in EXCEPTIONS} <= paths


def test_no_private_name_crosses_modules(sources):
    crossing = []
    for source in sources:
        for node in ast.walk(source.tree):
            ours = isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("asyncflask"))
            names = [alias.name for alias in node.names] if ours else []
            private = [name for name in names if name.startswith("_") and not name.startswith("__")]
            crossing += [f"{source.path}: {name}" for name in private if name not in FLASKS_PRIVATE]
    assert not crossing


def keys(tree: ast.AST):
    """Every string that is written where a key is: in brackets, in a dict, as the argument of `get` and the like."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=found):
                yield found
            case ast.Dict(keys=found):
                yield from found
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[found, *_]):
                yield found
            case ast.Compare(left=found, ops=[ast.In() | ast.NotIn()]):
                yield found


def test_keys_of_a_scope_that_are_ours_have_one_name(sources):
    spelled = [
        f"{source.path}:{key.lineno} {key.value}"
        for source in sources
        for key in keys(source.tree)
        if isinstance(key, ast.Constant) and str(key.value).startswith("asyncflask.")
    ]
    assert not spelled


def test_every_module_says_its_job(sources):
    silent = [source.path for source in sources if not ast.get_docstring(source.tree)]
    assert not silent


def test_no_version_history_in_docstrings(sources):
    marks = re.compile(r"\.\. (versionadded|versionchanged|deprecated)::")
    assert not [source.path for source in sources if marks.search(source.text)]


def test_no_path_of_a_machine(root, project_files):
    # Written so that this file does not hold what it looks for.
    folders = "|".join(["root", "work", "home/[a-z]+", "Users/[A-Za-z]+", "opt/[a-z]+"])
    path = re.compile(rf"(?<![\w.:/>}}-])/({folders})/[\w.]")
    found = []
    for file in project_files:
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if path.search(line):
                found.append(f"{file.relative_to(root)}:{number}: {line.strip()}")
    assert not found
