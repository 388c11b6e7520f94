"""Other frameworks in environments of their own, in which Assay is installed as well."""

import subprocess
import sys
import venv
from pathlib import Path
from sysconfig import get_paths

ROOT = Path(__file__).resolve().parents[2]
OPENEVOLVE = "openevolve==0.4.0"
GEPA = "gepa==0.1.4"
INSPECT = "inspect-ai==0.3.285"


def python_with(*requirements: str, alone: bool = False) -> Path:
    """Return the interpreter of an environment with these packages, made where it is missing.

    It sees what this environment has, so that only what is lacking is fetched, unless it is to
    stand alone; kept under build.
    """
    name = "-".join(each.replace("==", "-") for each in requirements)
    folder = ROOT / "build" / "peers" / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "complete"
    if done.exists() and (alone or _starts(python)):
        return python
    venv.create(folder, clear=True, symlinks=True)
    if not alone:
        (sites,) = (folder / "lib").glob("python*/site-packages")
        ours = f"import site; site.addsitedir({get_paths()['purelib']!r})\n"
        (sites / "assay.pth").write_text(ours, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *requirements],
        check=True,
        timeout=500,
    )
    done.touch()
    return python


def _starts(python: Path) -> bool:
    """Return whether the interpreter works: the one that it came from may have gone since."""
    try:
        return subprocess.run([python, "-c", "import flows.evaluator"]).returncode == 0
    except OSError:
        return False
