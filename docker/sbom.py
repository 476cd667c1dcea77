"""sbom.py FOLDER: what this image's Python and Debian parts are, as CycloneDX 1.5 and as a list of licences."""

import json
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path


def licence_of(part: Distribution) -> str:
    """The SPDX expression, else the field, else the classifiers; "unknown" when the package says nothing."""
    said = part.metadata.get("License-Expression") or part.metadata.get("License") or ""
    if said and "\n" not in said:
        return said.strip()
    classifiers = [c for c in part.metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    return ", ".join(c.split(" :: ")[-1] for c in classifiers) or "unknown"


def python_parts() -> list[dict[str, object]]:
    """The installed distributions, by name."""
    found = {part.metadata["Name"]: part for part in distributions()}
    return [
        {
            "type": "library",
            "name": name,
            "version": part.version,
            "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{part.version}",
            "licenses": [{"license": {"name": licence_of(part)}}],
        }
        for name, part in sorted(found.items(), key=lambda pair: pair[0].lower())
    ]


def debian_parts() -> list[dict[str, object]]:
    """The packages of the base image; their licences are in /usr/share/doc/*/copyright."""
    lines = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\n"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    found = []
    for line in lines:
        name, version, architecture = line.split()
        purl = f"pkg:deb/debian/{name}@{version}?arch={architecture}"
        found.append({"type": "library", "name": name, "version": version, "purl": purl})
    return found


def main() -> None:
    """Write sbom.cdx.json and licences.txt."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    python = python_parts()
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [*python, *debian_parts()],
    }
    (folder / "sbom.cdx.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    rows = [f"{part['name']} {part['version']}: {part['licenses'][0]['license']['name']}" for part in python]
    (folder / "licences.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
