#!/bin/bash
# install.sh [TOOL ...]: each tool in an environment of its own under benchmarks/.peers, at the versions of TOOL.txt.
# torch comes from where pip is told to look (PIP_FIND_LINKS): a CPU build of 2.13.0 is enough, and 4 GB smaller.
set -euo pipefail
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3.11}
for tool in "${@:-lazyslide slide2vec tiatoolbox wsinfer openvino}"; do
  for name in $tool; do
    folder=../.peers/$name
    [ -d "$folder" ] || "$PYTHON" -m venv "$folder"
    # The lists are whole, and some tools declare older versions than those that work together: hence --no-deps.
    "$folder/bin/python" -m pip install -q --no-input --no-deps -r "$name.txt" || echo "$name does not install here"
  done
done
