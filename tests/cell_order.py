"""Reads code cells, without running them, for what they read, bind and change, in order."""

import ast
from dataclasses import dataclass, field

from cell_names import bound_in, called, elements, kept_in, last_name, pairs, roots

CHANGE_FIRST_ARGUMENT = {"vc.fit", "nnx.update", "setattr", "delattr", "next", "np.copyto"}
CHANGE_ALWAYS = {"pop", "popitem", "setdefault"}
CHANGE_AS_STATEMENT = {  # where the value is used, they are pure: optax's tx.update
    *("append", "extend", "insert", "add", "update", "remove", "discard", "clear"),
    *("sort", "reverse", "fill", "train", "eval"),
}
USED_UP = {"iter", "zip", "map", "filter", "enumerate", "reversed", "open", "default_rng", "Rngs"}
HOLDERS = {"jit", "partial", "vmap", "grad", "value_and_grad", "cache"}


@dataclass
class Function:
    """What a call does: global names read and changed, parameters changed."""

    reads: set = field(default_factory=set)
    changes: set = field(default_factory=set)
    parameters: list = field(default_factory=list)
    changed: set = field(default_factory=set)


class Scope(ast.NodeVisitor):
    """What a cell or a function does: `events`, pairs such as ("reads", name), in order.

    `aliases` has for each name bound here the names whose object it may be; `functions`,
    shared by the cells, what happens when a name that keeps functions is used.
    """

    def __init__(self, functions, local=frozenset(), top=True):
        self.functions, self.local, self.top = functions, local, top
        self.events, self.changed = [], set()
        self.aliases, self.parts = {}, {}
        self.kept, self.statements = {}, {}  # of the cell: functions, and statements that bind

    def emit(self, what, name):
        if name not in self.local:
            self.events.append((what, name))

    def objects(self, nodes) -> set[str]:
        """Names from elsewhere, for what the expressions may be; of x[0], also what x holds."""
        found = set()
        for node in nodes:
            for name in roots(node):
                found |= self.aliases.get(name, {name})
                found |= set() if isinstance(node, ast.Name) else self.parts.get(name, set())
        return found

    def change(self, node):
        for name in sorted(self.objects([node])):
            self.changed.add(name)
            self.emit("changes", name)

    def bind(self, name, objects=frozenset(), statement=None):
        self.aliases[name] = set(objects)
        self.emit("binds", name)
        if name not in self.local:
            self.statements.setdefault(name, set()).add(statement)

    def use(self, function):
        self.events += [("reads", name) for name in sorted(function.reads)]
        for name in sorted(function.changes):
            self.change(ast.Name(name))

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.bind(node.id)
        elif node.id not in self.local:
            self.emit("reads", node.id)
            self.use(self.functions.get(node.id, Function()))

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            self.change(node.value)

    visit_Subscript = visit_Attribute

    def bind_to(self, target, values):
        """Binds the names of a target to what they may stand for: one of `values`."""
        if isinstance(target, ast.Name):
            parts = self.objects([part for value in values for part in kept_in(value)])
            self.bind(target.id, self.objects(values))
            self.parts[target.id] = parts
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element, parts in pairs(target.elts, values):
                self.bind_to(element, parts)
        else:
            self.visit(target)

    def visit_Assign(self, node):
        self.visit(node.value)
        for target in node.targets:
            self.bind_to(target, [node.value])
        held = Function()
        self.hold(node.value, held)
        if last_name(node.value) in USED_UP or isinstance(node.value, ast.GeneratorExp):
            held.changes |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        if self.top and (held.reads or held.changes):
            names = bound_in(node)
            self.kept |= dict.fromkeys(names, held)
            self.functions |= dict.fromkeys(names, held)

    def hold(self, value, held):
        """Adds to `held` what the functions do that `value` keeps for later."""
        if isinstance(value, ast.Lambda) or getattr(value, "id", None) in self.functions:
            name = getattr(value, "id", None)
            function = self.functions[name] if name else self.function(value)
            held.reads |= function.reads | {name} - {None}
            held.changes |= function.changes
        elif not isinstance(value, ast.Call) or last_name(value) in HOLDERS:
            for child in ast.iter_child_nodes(value):
                self.hold(child, held)

    def visit_AugAssign(self, node):
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.emit("reads", node.target.id)
            self.change(node.target)
        self.visit(node.target)

    def visit_For(self, node):
        self.visit(node.iter)
        self.bind_to(node.target, elements(node.iter))
        for statement in node.body + node.orelse:
            self.visit(statement)

    def visit_any_comprehension(self, node):
        local, aliases = self.local, dict(self.aliases)
        for part in node.generators:
            self.visit(part.iter)
            self.local = self.local | bound_in(part)
            self.bind_to(part.target, elements(part.iter))
        for child in ast.iter_child_nodes(node):
            for part in getattr(child, "ifs", [child]):
                self.visit(part)
        self.local, self.aliases = local, aliases

    visit_ListComp = visit_SetComp = visit_any_comprehension
    visit_DictComp = visit_GeneratorExp = visit_any_comprehension

    def visit_Import(self, node):
        for alias in node.names:
            self.bind(alias.asname or alias.name.split(".")[0], statement=ast.unparse(node))

    visit_ImportFrom = visit_Import

    def visit_Call(self, node):
        self.generic_visit(node)
        if called(node) in CHANGE_FIRST_ARGUMENT and node.args:
            self.change(node.args[0])
        if last_name(node) in CHANGE_ALWAYS and isinstance(node.func, ast.Attribute):
            self.change(node.func)
        function = self.functions.get(called(node), Function())
        given = [*zip(function.parameters, node.args, strict=False)]
        for parameter, value in given + [(k.arg, k.value) for k in node.keywords]:
            if parameter in function.changed:
                self.change(value)

    def visit_Expr(self, node):
        self.visit(node.value)
        function = called(node.value)
        changes = last_name(node.value) in CHANGE_AS_STATEMENT and "." in function
        if changes and function not in CHANGE_FIRST_ARGUMENT:
            self.change(node.value.func.value)

    def function(self, node) -> Function:
        inner = Scope(self.functions, self.local | bound_in(node), top=False)
        for statement in node.body if isinstance(node.body, list) else [node.body]:
            inner.visit(statement)
        read, changed = ({n for w, n in inner.events if w == what} for what in ("reads", "changes"))
        parameters = [a.arg for a in node.args.args] if hasattr(node, "args") else []
        return Function(read, changed, parameters, inner.changed)

    def visit_Lambda(self, node):
        self.use_here(self.function(node))

    def use_here(self, function):
        """For a function without a global name: it is called where it is made, if at all."""
        self.use(function)
        self.changed |= function.changed

    def visit_FunctionDef(self, node):
        outside = [*node.decorator_list, *getattr(node, "bases", []), getattr(node, "args", None)]
        for part in filter(None, outside):
            self.visit(part)
        function = self.function(node)
        if self.top:
            self.functions[node.name] = self.kept[node.name] = function
        else:
            self.use_here(function)
        self.bind(node.name, statement=ast.unparse(node))

    visit_ClassDef = visit_FunctionDef
