"""Names in Python code: which name an expression starts from, which names a scope binds."""

import ast

SCOPES = (ast.FunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
VIEWS = {"items", "values", "setdefault", "get"}  # methods: what they give is still in there
ROUND = {"zip", "enumerate", "reversed", "sorted", "list", "tuple", "dict"}


def called(node) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def last_name(node) -> str:
    return called(node).split(".")[-1]


def roots(node) -> set[str]:
    """The names whose objects, or parts of them, an expression may be: a for a.b[c].d."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        return roots(node.value)
    if isinstance(node, ast.Call) and last_name(node) in VIEWS:
        return roots(node.func)
    inner = []
    if isinstance(node, ast.Call) and called(node) in ROUND:
        inner = node.args
    elif isinstance(node, (ast.BoolOp, ast.IfExp)):
        inner = ast.iter_child_nodes(node)
    return set().union(*map(roots, inner))


def kept_in(node) -> list:
    """The expressions in a tuple, list or dict that is written out."""
    return getattr(node, "elts", None) or getattr(node, "values", [])


def elements(node) -> list:
    """Expressions for what a loop over `node` gives, one after the other."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return node.elts
    if called(node) == "zip":
        return [ast.Tuple(node.args)]
    return [node]


def pairs(targets, values):
    """(target, its values), where each of `values` is taken apart into the targets."""
    taken = [getattr(value, "elts", [value] * len(targets)) for value in values]
    plain = all(len(parts) == len(targets) for parts in taken)
    for number, target in enumerate(targets):
        yield target, [parts[number] for parts in taken] if plain else values


def bound_in(node) -> set[str]:
    """The local names of a function, class or comprehension."""
    names = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            names.add(child.name)
        elif isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load):
            names.add(child.id)
        elif isinstance(child, ast.arg):
            names.add(child.arg)
        if not isinstance(child, (*SCOPES, *COMPREHENSIONS)):
            names |= bound_in(child)
    return names
