"""sbom.py FOLDER [ROOT]: what an image is made of, as CycloneDX 1.5 and as a list of licences.

Of this image its Python and Debian parts; with ROOT, which holds another image's /var/lib/dpkg and /usr/share/doc, the
Debian parts of that one.
"""

import json
import re
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


def debian_licence(root: Path, package: str) -> str:
    """The licences that its copyright file names in Debian's machine-readable format, else where to read."""
    name = f"usr/share/doc/{package}/copyright"
    text = (root / name).read_text(encoding="utf-8", errors="replace") if (root / name).exists() else ""
    return ", ".join(sorted(set(re.findall(r"^License: *(\S.*)$", text, re.MULTILINE)))) or f"see /{name}"


def debian_parts(root: Path) -> list[dict[str, object]]:
    """The packages of the image in ``root``, with the licences that their copyright files name."""
    lines = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${Version} ${Architecture}\n"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    found = []
    for line in lines:
        name, version, architecture = line.split()
        found.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}",
                "licenses": [{"license": {"name": debian_licence(root, name)}}],
            }
        )
    return found


def main() -> None:
    """Write sbom.cdx.json and licences.txt."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    parts = debian_parts(Path(sys.argv[2])) if len(sys.argv) > 2 else [*python_parts(), *debian_parts(Path("/"))]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": parts}
    (folder / "sbom.cdx.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    rows = [f"{part['name']} {part['version']}: {part['licenses'][0]['license']['name']}" for part in parts]
    (folder / "licences.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
