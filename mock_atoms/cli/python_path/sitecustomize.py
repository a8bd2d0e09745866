"""Points every bare `SmallestAI()` of a program at the server of `mock-atoms run`, when the program imports the SDK.

It imports nothing of mock-atoms, because the program may run in another environment.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from types import ModuleType

_MODULE = "smallestai.environment"


class SdkFinder:
    """Finds the module of the SDK that has its URLs, and changes them once it is loaded.

    Args:
        url: base URL of the mock's API. The program may clear its environment before it imports the SDK.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, ARG002 - as importlib calls it
        """Return how to load the module, or `None` for all other modules."""
        spec = PathFinder.find_spec(name, path) if name == _MODULE else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_redirect(module: ModuleType) -> None:
            execute(module)
            redirect(module, self._url)

        setattr(spec.loader, "exec_module", execute_and_redirect)  # noqa: B010 - type checkers refuse the assignment
        return spec


def redirect(module: ModuleType, url: str) -> None:
    """Change the URLs that clients have by default.

    Args:
        module: the module `smallestai.environment`.
        url: base URL of the mock's API.
    """
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0]
    root = f"{scheme}://{authority}"
    urls = vars(module.SmallestAIEnvironment.PRODUCTION)  # the default of all clients is this object
    for name in urls:
        is_socket = name.endswith("_ws")
        urls[name] = (
            url.rstrip("/") if name in ("atoms", "agents") else root.replace("http", "ws", 1) if is_socket else root
        )


def run_other_sitecustomize() -> None:
    """Import the `sitecustomize` that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib would slow every start
    path = [folder for folder in sys.path if os.path.abspath(folder) != here]  # noqa: PTH100 - the same
    spec: ModuleSpec | None = PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("MOCK_ATOMS_URL"):
    sys.meta_path.insert(0, SdkFinder(os.environ["MOCK_ATOMS_URL"]))
run_other_sitecustomize()
