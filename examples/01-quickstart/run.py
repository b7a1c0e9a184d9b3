"""Set up two releases of httpbin and tell their story: python3 examples/01-quickstart/run.py

Needs Python 3.10 or later. Everything is installed into this folder: the plugin into .venv, the releases into .v1 and .v2.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def environment(name: str, *packages: str) -> Path:
    """A virtual environment with these packages, made once."""
    place = HERE / name
    made_from = place / "made-from"
    wanted = repr((sys.version, packages, [Path(word).read_text() for word in packages if word.endswith(".txt")]))
    if not made_from.exists() or made_from.read_text() != wanted:
        print(f"Setting up {name} ...", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
        made_from.write_text(wanted)
    return place / "bin" / "python"


def chapter(title: str, *options: str) -> int:
    """Run the tests once; afterwards show what each version's own access log saw of `/headers`."""
    logs = {name: HERE / f"{name}.log" for name in ("v1", "v2")}
    for log in logs.values():
        log.unlink(missing_ok=True)
    print(f"\n{'=' * 100}\n{title}\n$ pytest {' '.join(options)}", flush=True)
    status = subprocess.run([HERE / ".venv" / "bin" / "python", "-m", "pytest", *options], cwd=HERE, check=False).returncode
    print(f"exit status {status}")
    for name, log in logs.items():
        seen = [line for line in log.read_text().splitlines() if "GET /headers" in line] if log.exists() else []
        print(f"{name}.log: " + (f"\n{'':8}".join(seen) or "no request"))
    return status


def main() -> int:
    if sys.version_info < (3, 10):
        print(f"This needs Python 3.10 or later; {sys.executable} is {sys.version.split()[0]}. Try python3.12, or python3.10.")
        return 1
    environment(".venv", "-e", str(ROOT))
    environment(".v1", "-r", str(HERE / "v1.txt"))
    environment(".v2", "-r", str(HERE / "v2.txt"))
    told = [
        chapter("1. The tests alone: only v1 answers.", "-q"),
        chapter("2. v1 beside itself: each request is copied, and nothing differs.", "-q", "--shadow-target=v1"),
        chapter(
            "3. v2 gets a copy of each request: /headers means the same, and what the release changed is shown.", "-q", "--shadow-target=v2"
        ),
    ]
    if told != [0, 0, 1]:
        print(f"\nThe story should have ended with the exit statuses 0, 0 and 1, not {told}.")
        return 1
    print("\nThat is the story: exit statuses 0, 0 and 1. A pipeline that runs the third command does not promote v2.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
