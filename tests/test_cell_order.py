"""Cells run again, or out of order, give the right result or a NameError, in every lesson."""

import ast
from pathlib import Path

import pytest
from cell_order import Scope
from kernels import code_of

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def complaints(sources) -> list[str]:
    """What of these code cells depends on the order in which they are run."""
    functions, cells = {}, []
    for source in sources:
        cells.append(Scope(functions))
        cells[-1].visit(ast.parse(source))
    makers = makers_in(cells)
    found = []
    for number, cell in enumerate(cells, start=1):
        found += complaints_of_cell(number, cell, makers)
        found += complaints_of_kept_functions(number, cell, cells, makers)
    return list(dict.fromkeys(found))


def makers_in(cells) -> dict[str, list[int]]:
    """name -> the cells that bind it; only the first, if all of them do so in the same words."""
    makers, words = {}, {}
    for number, cell in enumerate(cells, start=1):
        for name, statements in cell.statements.items():
            makers.setdefault(name, []).append(number)
            words.setdefault(name, set()).update(statements)
    return {
        name: numbers[:1] if len(words[name]) == 1 and None not in words[name] else numbers
        for name, numbers in makers.items()
    }


def complaints_of_cell(number, cell, makers):
    bound = set()
    for what, name in cell.events:
        others = [maker for maker in makers.get(name, []) if maker != number]
        if what == "binds":
            bound.add(name)
        elif what == "changes" and others:
            yield f"cell {number} changes {name}, which {said(others)}"
        elif name not in bound and others:
            if number in makers[name]:
                yield f"cell {number} reads {name}, which {said(others)}, and sets it anew"
            elif len(others) > 1:
                yield f"cell {number} reads {name}, which {said(others)}"


def complaints_of_kept_functions(number, cell, cells, makers):
    elsewhere = {name for other in cells if other is not cell for _, name in other.events}
    for function, does in cell.kept.items():
        for name in sorted(does.reads):
            if function in elsewhere and len(makers.get(name, [])) > 1:
                yield (
                    f"cell {number}: {function}, which other cells use, reads {name}, which "
                    f"{said(makers[name])}"
                )


def said(numbers) -> str:
    *most, last = map(str, numbers)
    return f"cells {', '.join(most)} and {last} set" if most else f"cell {last} sets"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_of_a_lesson_depends_on_the_order_of_running(path):
    found = complaints(code_of(path))
    assert not found, "\n".join(found)


# One notebook a line: "|" parts its cells, ";" the lines of a cell.

BROKEN = """
x = 1 | y = x | x = 2 -> 2 reads x, which cells 1 and 3 set
from a import x | x() | from b import x -> 2 reads x, which cells 1 and 3 set
def f(): return 1 | f() | def f(): return 2 -> 2 reads f, which cells 1 and 3 set
x = 1 | for x in [2]: pass | print(x) -> 3 reads x, which cells 1 and 2 set
*a, x = 1, 2 | x = 3 | [x] -> 3 reads x, which cells 1 and 2 set
x = 1 | with f() as x: pass | x -> 3 reads x, which cells 1 and 2 set
x = 1 | (x := 2) | x -> 3 reads x, which cells 1 and 2 set
x = 1 | [x for x in x]; x = 2 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | y = 0; y += x; x = 2 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | for x in x: pass -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | x = x + 1 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | x += 1 -> 2 reads x, which cell 1 sets, and sets it anew
k = key(0) | k, sub = split(k) -> 2 reads k, which cell 1 sets, and sets it anew
x = 1 | y = [x for i in z]; x = 2 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | y = [1 for i in z if x]; x = 2 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | y = [x for x in z]; y = x; x = 2 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | sorted(a, key=lambda i: x); x = 2 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1 | def f(a=x): pass; x = 2 -> 2 reads x, which cell 1 sets, and sets it anew
x = 1; def f(): return x | f() | x = 2 -> 1: f, which other cells use, reads x, which
x = 1; class A: y = lambda: x | A() | x = 2 -> 1: A, which other cells use, reads x, which
def f(): return x; def g(): return f() | x = 1; g() | g(); x = 3 -> 1: g, which other cells use
x = 1; d = {1: lambda: x} | d[1]() | x = 2 -> 1: d, which other cells use, reads x, which
def f():;   def g(): x = 5;   return x | x = 1; f() | x = 2; f() -> 1: f, which other cells use
def f():;   [x for x in y];   return x | x = 1; f() | x = 2; f() -> 1: f, which other cells use
x = 1; f = jax.jit(lambda: x) | f() | x = 2 -> 1: f, which other cells use, reads x, which
def loss(): return x | x = 1; x = 2 | vc.fit(m, loss); x = 1 -> 3 reads x, which cell 2 sets, and
m = Model() | vc.fit(m, data) -> 2 changes m, which cell 1 sets
a, b = A(), B() | for m, k in [(a, 1), (b, 2)]: vc.fit(m, k) -> 2 changes b, which cell 1 sets
d = {} | for k, (m, x) in zip(a, d.items()): vc.fit(m, k) -> 2 changes d, which cell 1 sets
d = {} | for m in sorted(d.values()): vc.fit(m, k) -> 2 changes d, which cell 1 sets
d = {} | [vc.fit(m, k) for m in d.values()] -> 2 changes d, which cell 1 sets
d = {1: Model()} | m = d[1]; vc.fit(m, data) -> 2 changes d, which cell 1 sets
m = Model() | d = {1: m}; for n in d.values(): vc.fit(n, data) -> 2 changes m, which cell 1 sets
m = Model() | for n in (a, m): vc.fit(n, data) -> 2 changes m, which cell 1 sets
m = Model() | n = m if a else b; vc.fit(n, data) -> 2 changes m, which cell 1 sets
m = Model() | n = m or Model(); vc.fit(n, data) -> 2 changes m, which cell 1 sets
m = M() | def f(k, model): vc.fit(model, k) | f(1, model=m) -> 3 changes m, which cell 1 sets
def f(m): vc.fit(m); def g(m): f(m[0]) | m = [] | g(m) -> 3 changes m, which cell 2 sets
def f(m): (lambda n: vc.fit(m))(1) | m = [] | f(m) -> 3 changes m, which cell 2 sets
def f(m):;   def g(): vc.fit(m);   g() | m = [] | f(m) -> 3 changes m, which cell 2 sets
m = Model() | nnx.update(m, state) -> 2 changes m, which cell 1 sets
a = [] | for i in b: a.append(i) -> 2 changes a, which cell 1 sets
a = [] | b = a; b += [1] -> 2 changes a, which cell 1 sets
a = {} | b = a.setdefault(1, 2) -> 2 changes a, which cell 1 sets
a = {} | a.get(1).append(2) -> 2 changes a, which cell 1 sets
d = {} | d[1] = 2 -> 2 changes d, which cell 1 sets
a = b() | a[1][2] += 2 -> 2 changes a, which cell 1 sets
m = f() | m.weight[...] = 0.0 -> 2 changes m, which cell 1 sets
d = f() | del d[1] -> 2 changes d, which cell 1 sets
m = f() | setattr(m, "a", 1) -> 2 changes m, which cell 1 sets
d = {}; def keep(e): d[e] = e | keep(1) -> 2 changes d, which cell 1 sets
d = {}; f = {1: lambda e: d.pop(e)} | f[1](2) -> 2 changes d, which cell 1 sets
a = zip(b, c) | list(a) -> 2 changes a, which cell 1 sets
rng = np.random.default_rng(0) | rng.normal() -> 2 changes rng, which cell 1 sets
"""
GOOD = """
x = 1 | y = x | print(x, y)
fig = 1; show(fig) | fig = 2; show(fig)
import numpy as np; np | import numpy as np; np | np
def f(): return 1; f() | def f(): return 1 | f()
x = 1; def f(): return x; f() | x = 2; def g(): return x; g()
def f(x):;   y = [x + 1 for x in x];   return y | y = x = f(1); y, x | y = x = f(2)
def f():;   x = 1;   def g(): return x | x = 2; f() | x = 3; f()
def f():;   def x(): pass;   return x() | x = 2; f() | x = 3; f()
x = 1 | for z in x: z = z + 1 | for z in x: print(z)
x = 1 | y = [z for z in x]; z = 1; z | z = 2; z
x = 1 | m = Model(x); vc.fit(m, x) | show(m)
a, b = 1, 2 | for m, k in zip([A()], b): vc.fit(m, k)
m = Model() | n = nnx.clone(m); vc.fit(n, 1)
def f(m):;   m = nnx.clone(m);   vc.fit(m) | m = Model() | n = f(m)
x = 1 | d = {"x": x}; d["y"] = 2 | d
state, tx = 1, 2 | updates = tx.update(state)
a, b = (len(x) for x in y) | a + b
def f(a):;   raise NotImplementedError; vc.check("01.1", f) | x = 1 | x
np.random.seed(0) | print(len(x)) | globals().update(x=1)
"""


def cells_of(line):
    return [cell.strip().replace("; ", "\n") for cell in line.split(" | ")]


@pytest.mark.parametrize("twin", BROKEN.strip().splitlines())
def test_what_depends_on_the_order_is_found(twin):
    cells, complaint = twin.split(" -> ")
    assert f"cell {complaint}" in "; ".join(complaints(cells_of(cells)))


@pytest.mark.parametrize("cells", GOOD.strip().splitlines())
def test_what_does_not_depend_on_the_order_may_stay(cells):
    assert complaints(cells_of(cells)) == []
