"""Which files of a repository its import statements mean, as far as that is sure without building it.

A statement that may mean several files or something outside the repository means nothing here. Paths are all that is known besides
the statements: no search path of a compiler, no alias of a bundler, no manifest but Go's. Not covered: wildcards, files of one
package that see each other without a statement (Java, Kotlin, C#), and names that a build tool makes.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from stack_data.imports.statements import FAMILY_OF

RULE_VERSION = 1
_MODULES = ("py", "pyx", "pxd", "pyi")
"""Endings of files that may be one Python module, the one that says most first."""
_SCRIPTS = ("", ".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".vue", ".svelte")


@dataclass(slots=True)
class Repository:
    """N files of one repository, and what of them can be looked up.

    paths        of each file; statements: of each file, as `statements` gives them
    by_path      position of a path
    by_name      positions of files by the last part of their path
    declared     positions of files by a full name of what they declare (`org.example.Thing`, `App\\Models\\User`)
    namespaces   positions of files by the C# namespace they declare
    modules      module paths of Go and the folders they begin at
    scripts      positions of Python's modules by their path without ending
    words        names of folders, and of files without their extension: most imports begin with none of them
    """

    paths: Sequence[str]
    families: Sequence[str]
    statements: Sequence[Sequence[str]]
    by_path: dict[str, int] = field(default_factory=dict)
    by_name: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    declared: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    namespaces: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    modules: list[tuple[str, str]] = field(default_factory=list)
    scripts: dict[str, int] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    go_folders: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def at(self, path: str) -> int | None:
        """Return the file at a path that may have `..` in it; None when there is none."""
        found = self.by_path.get(path)
        if found is None and ("./" in path or path.endswith(".")):
            return self.by_path.get(posixpath.normpath(path))
        return found

    def first(self, paths: Iterable[str]) -> list[int]:
        """Return the first of these paths that is a file, as a list; none when none is."""
        return next(([found] for path in paths if (found := self.at(path)) is not None), [])

    def only(self, tail: str) -> list[int]:
        """Return the one file whose path ends with `tail`; nothing when there are several."""
        name = tail.rpartition("/")[2]
        found = [one for one in self.by_name.get(name, ()) if ("/" + self.paths[one]).endswith("/" + tail)]
        return found if len(found) == 1 else []

    def nearest(self, found: Sequence[int], path: str) -> list[int]:
        """Return the one of several files that shares most folders with a path, the smallest by path among equals."""
        return sorted(found, key=lambda one: (-_shared(self.paths[one], path), self.paths[one]))[:1]


def imports(
    host: str, repo_name: str, paths: Sequence[str], languages: Sequence[str], statements: Sequence[Sequence[str]]
) -> list[list[int]]:
    """Return for each of N files of a repository the positions of the files it imports, ascending, never itself."""
    repository = _indexed(Repository(paths, [FAMILY_OF.get(one, "") for one in languages], statements))
    repository.modules.append((f"{host}/{repo_name}".lower(), ""))
    found = []
    for position, lines in enumerate(statements):
        resolve = _RESOLVERS.get(repository.families[position])
        targets = {one for line in lines for one in resolve(repository, position, line)} if resolve else set()
        found.append(sorted(targets - {position}))
    return found


def _indexed(repository: Repository) -> Repository:
    """Fill what can be looked up."""
    for position, path in enumerate(repository.paths):
        folder, _, name = path.rpartition("/")
        family, lines = repository.families[position], repository.statements[position]
        repository.by_path.setdefault(path, position)
        repository.by_name[name].append(position)
        repository.words.update(folder.split("/"), (name.partition(".")[0],))
        if family == "python":
            _add_module(repository, position)
        elif family == "go" and not name.endswith("_test.go"):
            repository.go_folders[folder].append(position)
        elif family == "go module":
            repository.modules += [(line.split()[1].strip('"').lower(), folder) for line in lines[:1]]
        elif family in ("jvm", "php", "c#"):
            _declare(repository, position, family, name.partition(".")[0])
    return repository


def _add_module(repository: Repository, position: int) -> None:
    """Make a file known as the module that it is, unless another file is it rather."""
    path = repository.paths[position]
    stem, _, ending = path.rpartition(".")
    if ending in _MODULES:
        name = stem.removesuffix("/__init__")
        known = repository.scripts.get(name)
        if known is None or _module_rank(path) < _module_rank(repository.paths[known]):
            repository.scripts[name] = position


def _module_rank(path: str) -> tuple[int, bool]:
    return _MODULES.index(path.rpartition(".")[2]), path.endswith("/__init__.py")


def _declare(repository: Repository, position: int, family: str, stem: str) -> None:
    word = "package" if family == "jvm" else "namespace"
    for line in repository.statements[position]:
        found = re.match(rf"{word}\s+([\w.\\]+)", line)
        if found and family == "c#":
            repository.namespaces[found[1]].append(position)
        elif found:
            separator = "\\" if family == "php" else "."
            repository.declared[found[1].strip("\\") + separator + stem].append(position)
            return


def _shared(path: str, other: str) -> int:
    """Return how many folders two paths have in common."""
    count = 0
    for one, two in zip(path.split("/")[:-1], other.split("/")[:-1], strict=False):
        if one != two:
            break
        count += 1
    return count


def _folders(path: str) -> Iterator[str]:
    """Yield the folders above a path, the nearest first, "" the last."""
    folder = path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _python(repository: Repository, position: int, line: str) -> list[int]:
    path = repository.paths[position]
    told = re.match(r"from\s+(\.*)([\w.]*)\s+c?import\s+(.+)", line)
    if not told:
        names = re.sub(r"^c?import\s+", "", line).partition("#")[0].split(",")
        modules = [name.split()[0].split(".") for name in names if name.strip()]
        return [one for module in modules for one in _absolute(repository, path, module, whole=False)]
    dots, module, rest = told.groups()
    names = [words.split()[0] for one in rest.partition("#")[0].strip("() ").split(",") if (words := one.strip("() "))]
    parts = module.split(".") if module else []
    if dots:
        folders = list(_folders(path))
        if len(dots) > len(folders):
            return []
        start = [*folders[len(dots) - 1].split("/"), *parts] if folders[len(dots) - 1] else parts
        found = [_module(repository, "/".join([*start, name])) for name in names]
        package = _module(repository, "/".join(start)) if not all(found) else []
    else:
        found = [_absolute(repository, path, [*parts, name], whole=True) for name in names]
        package = _absolute(repository, path, parts, whole=True) if not all(found) else []
    return [one for several in [*found, package] for one in several]


def _absolute(repository: Repository, path: str, parts: list[str], whole: bool) -> list[int]:
    """Return the file of a module named from the root of a search path, which is no package itself."""
    if parts[0] not in repository.words:
        return []
    roots = (one for one in _folders(path) if f"{one}/__init__.py" not in repository.by_path)
    shortest = len(parts) if whole else 1
    stems = ["/".join(parts[:length]) for length in range(len(parts), shortest - 1, -1)]
    for root in (*roots, "src", "lib", "python"):
        for stem in stems:
            if found := _module(repository, f"{root}/{stem}" if root else stem):
                return found
    return []


def _module(repository: Repository, stem: str) -> list[int]:
    found = repository.scripts.get(stem)
    return [] if found is None else [found]


def _javascript(repository: Repository, position: int, line: str) -> list[int]:
    folder, found = repository.paths[position].rpartition("/")[0], []
    for target in re.findall(r"\b(?:from|import|require)\s*\(?\s*[\"'](\.[^\"']*)[\"']", line):
        stem = posixpath.join(folder, target).partition("?")[0]
        # `./a.js` in TypeScript means a.ts, which becomes it.
        swapped = re.sub(r"\.(?:[cm]?js|jsx)$", "", stem)
        tries = [stem + end for end in _SCRIPTS] + [swapped + end for end in (".ts", ".tsx", ".mts", ".cts")]
        found += repository.first([*tries, *(f"{stem}/index{end}" for end in _SCRIPTS[1:])])
    return found


def _jvm(repository: Repository, position: int, line: str) -> list[int]:
    told = re.match(r"import\s+(?:static\s+)?([\w.]+?)(?:\.[*_{]|[\s;]|$)", line)
    parts = told[1].split(".") if told else []
    for length in range(len(parts), max(len(parts) - 3, 1), -1):  # members of classes are imported too
        found = repository.declared.get(".".join(parts[:length]))
        if found:
            return repository.nearest(found, repository.paths[position])
    return []


def _go(repository: Repository, position: int, line: str) -> list[int]:
    told = re.search(r'"([^"]+)"', line)
    path = told[1] if told else ""
    for above in _folders(repository.paths[position]):
        if files := repository.go_folders.get("/".join(filter(None, (above, "vendor", path)))):
            return files
    for module, folder in sorted(repository.modules, key=lambda one: -len(one[0])):
        inside = path[len(module) :]
        if path.lower().startswith(module) and (not inside or inside[0] == "/"):
            for tail in (inside.strip("/"), re.sub(r"^v\d+/?", "", inside.strip("/"))):
                files = repository.go_folders.get("/".join(filter(None, (folder, tail))))
                if files:
                    return files
    return []


def _rust(repository: Repository, position: int, line: str) -> list[int]:
    path = repository.paths[position]
    folder, _, name = path.rpartition("/")
    own = folder if name in ("mod.rs", "lib.rs", "main.rs") else posixpath.join(folder, name.removesuffix(".rs"))
    told = re.search(r"\bmod\s+(\w+)\s*;", line)
    if told:
        return repository.first((posixpath.join(own, f"{told[1]}.rs"), posixpath.join(own, told[1], "mod.rs")))
    used = re.search(r"\buse\s+(crate|self|(?:super::)*super)((?:::\w+)*)", line)
    if not used:
        return []
    parts = used[2].split("::")[1:]
    if used[1] == "crate":
        roots = (
            one
            for one in _folders(path)
            if any(repository.at(f"{one}/{end}") is not None for end in ("lib.rs", "main.rs"))
        )
        root = next(roots, None)
    else:
        root = own
        for _ in range(used[1].count("super")):
            root = posixpath.dirname(root)
    for length in range(len(parts), 0, -1) if root is not None else ():
        stem = posixpath.join(root or "", *parts[:length])
        if found := repository.first((f"{stem}.rs", f"{stem}/mod.rs")):
            return found
    return []


def _c(repository: Repository, position: int, line: str) -> list[int]:
    told = re.match(r"#\s*(?:include|import)\s*([\"<])([^\">]+)", line)
    if not told:
        return []
    target = told[2].strip()
    tries = [posixpath.join(root, target) for root in ("include", "", "src")]
    if told[1] == '"':
        tries.insert(0, posixpath.join(repository.paths[position].rpartition("/")[0], target))
    elif "/" not in target:
        return repository.first(tries[:1])  # <string.h> is the system's, whatever lies in a repository
    clean = posixpath.normpath(target)
    return repository.first(tries) or ([] if clean.startswith("..") else repository.only(clean))


def _ruby(repository: Repository, position: int, line: str) -> list[int]:
    told = re.match(r"require(_relative)?\s*\(?\s*[\"']([^\"']+)", line)
    if not told:
        return []
    target = told[2].removesuffix(".rb") + ".rb"
    if told[1] or target.startswith("."):
        return repository.first([posixpath.join(repository.paths[position].rpartition("/")[0], target)])
    return repository.first([f"lib/{target}"]) or repository.only(f"lib/{target}")


def _php(repository: Repository, position: int, line: str) -> list[int]:
    path = repository.paths[position]
    told = re.match(r"use\s+\\?([\w\\]+)", line)
    if told:
        return repository.nearest(repository.declared.get(told[1], ()), path)
    file = re.search(r"(?:require|include)(?:_once)?\b[^;]*?[\"']/?([^\"']+\.php)[\"']", line)
    return repository.first([posixpath.join(path.rpartition("/")[0], file[1])]) if file else []


def _c_sharp(repository: Repository, position: int, line: str) -> list[int]:
    told = re.match(r"(?:global\s+)?using\s+(?:static\s+)?([\w.]+)\s*;", line)
    found = repository.namespaces.get(told[1], []) if told else []
    return found if len(found) == 1 else []


_RESOLVERS: dict[str, Callable[[Repository, int, str], list[int]]] = {
    "python": _python, "javascript": _javascript, "jvm": _jvm, "go": _go, "rust": _rust, "c": _c, "ruby": _ruby,
    "php": _php, "c#": _c_sharp,
}  # fmt: skip
