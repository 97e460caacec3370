"""Builds sdist and wheel into dist/, and writes their checksums beside them.

    make wheel

The environment it runs in is locked (build.txt), so none is made for the build. Hatchling sorts
files and sets their modes; the time of the last commit (SOURCE_DATE_EPOCH) is theirs.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    out = ROOT / "dist"
    out.mkdir(exist_ok=True)
    for old in out.glob("restora-*"):
        old.unlink()
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    made = sorted(out.glob("restora-*"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made]
    (out / "SHA256SUMS").write_text("".join(lines))
    print("".join(lines), end="")


if __name__ == "__main__":
    main()
