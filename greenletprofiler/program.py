"""The program that the command profiles: found, checked, and made the interpreter's `__main__`.

    script   PATH          code is read and compiled before anything of the program runs
    module   a.b.c         the packages a and a.b are part of the program: they are imported (and recorded)
                           first, and only then can the module be found

Invariant: what the program sees of its surroundings (sys.argv, sys.path[0], __main__ and its __file__,
__spec__, ...) is what `python PATH` and `python -m a.b.c` show.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from greenletprofiler.errors import UsageError

#: What a search for a module may raise, beside not finding it.
_SEARCH_ERRORS = (ImportError, AttributeError, TypeError, ValueError)


class Script:
    """A file with Python source. Making one raises UsageError if it cannot be run."""

    def __init__(self, path: str, arguments: Sequence[str]) -> None:
        self._argv = [path, *arguments]
        self._file = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118  "./" stays, as in Python
        self._code = _compile_script(path, self._file)

    def enter(self) -> None:
        """Makes the surroundings those of the script."""
        _set_search_folder(str(Path(self._file).resolve().parent))
        sys.argv[:] = self._argv

    def packages(self) -> Iterator[str]:
        """A script is in no package."""
        return iter(())

    def load(self) -> tuple[CodeType, ModuleType]:
        """The code, and the `__main__` module to run it in."""
        main = _new_main(self._file)
        main.__loader__ = SourceFileLoader("__main__", self._file)
        return self._code, main


class Module:
    """A module by its dotted name, as for `python -m`."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self._name = name
        self._arguments = arguments

    def enter(self) -> None:
        """Makes the surroundings those of the module. Raises UsageError if it is nowhere to be found."""
        _set_search_folder(os.getcwd())  # noqa: PTH109
        sys.argv[:] = ["-m", *self._arguments]
        if self._name.startswith("."):
            raise UsageError(f"{self._name} is a relative name: give the module's full name.")
        self._found(self._name.partition(".")[0])

    def packages(self) -> Iterator[str]:
        """The packages that the program begins with. Each must be imported before the next is asked for."""
        parts = self._name.split(".")
        for count in range(1, len(parts)):
            yield ".".join(parts[:count])
        if _is_package(self._found(self._name)):
            yield self._name

    def load(self) -> tuple[CodeType, ModuleType]:
        """The code, and the `__main__` module to run it in. Raises UsageError if there is none."""
        spec = self._runnable_spec()
        code = self._code(spec)
        sys.argv[0] = spec.origin or self._name
        main = _new_main(spec.origin)
        main.__spec__ = spec
        main.__loader__ = spec.loader
        main.__package__ = spec.parent
        if "__cached__" in main.__dict__:
            main.__dict__["__cached__"] = spec.cached
        return code, main

    def _found(self, name: str) -> ModuleSpec:
        spec = _find_spec(name)
        if spec is None:
            raise UsageError(f"There is no module named {name}.")
        return spec

    def _runnable_spec(self) -> ModuleSpec:
        spec = self._found(self._name)
        if not _is_package(spec):
            return spec
        inner = _find_spec(f"{self._name}.__main__")
        if inner is None:
            raise UsageError(f"{self._name} is a package without a __main__ module: name a module in it.")
        return inner

    def _code(self, spec: ModuleSpec) -> CodeType:
        get_code = getattr(spec.loader, "get_code", None)
        try:
            code = get_code and get_code(spec.name)
        except (SyntaxError, UnicodeDecodeError, ImportError) as error:
            raise UsageError(f"{spec.origin} cannot be run: {_first_line(error)}.") from None
        if not isinstance(code, CodeType):
            raise UsageError(f"The module {self._name} has no Python code to run.")
        return code


Program = Script | Module


def _compile_script(path: str, file: str) -> CodeType:
    if Path(file).is_dir():
        raise UsageError(f"{path} is a folder: name the script in it, or run a package by -m.")
    try:
        source = Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"The script {path} cannot be read: {reason}.") from None
    try:
        return compile(source, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UsageError(f"{path} is not Python: {_first_line(error)}.") from None


def _first_line(error: BaseException) -> str:
    text = str(error).split("\n", 1)[0] or type(error).__name__
    return text.rstrip(".")


def _find_spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except _SEARCH_ERRORS as error:
        raise UsageError(f"The module {name} cannot be found: {_first_line(error)}.") from None


def _is_package(spec: ModuleSpec) -> bool:
    return spec.submodule_search_locations is not None


def _set_search_folder(folder: str) -> None:
    """Replaces the folder of the command in sys.path, unless Python was told to put none there."""
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path[0:1] = [folder]


def _new_main(file: str | None) -> ModuleType:
    names: dict[str, object] = {"__builtins__": builtins, "__file__": file}
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    if sys.version_info < (3, 15):
        names["__cached__"] = None
    main = ModuleType("__main__")
    main.__dict__.update(names)
    return main
