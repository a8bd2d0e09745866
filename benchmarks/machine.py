"""Describes the machine and the versions that the figures belong to."""

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks import other_servers


def description() -> dict[str, str]:
    """Return the date, the machine, and the versions of all programs that take part."""
    packages = [f"{name} {version(name)}" for name in ("mock-atoms", "fastapi", "uvicorn", "uvloop", "httptools")]
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {_gibibytes():.0f} GiB of memory",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "ours": ", ".join([*packages, f"{platform.python_implementation()} {platform.python_version()}"]),
        "other servers": ", ".join(other_servers.versions()),
    }


def _gibibytes() -> float:
    return int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20


def _field(file: str, name: str) -> str:
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), platform.machine())
