import importlib.util
import sys
from types import ModuleType

from tests.helpers.snippets import ROOT


def load_script(name: str) -> ModuleType:
    """Import `.ci/NAME.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
