#!/usr/bin/env bash
# Build the source distribution and from that the wheel, install it into an empty environment, and
# use it from a folder of its own.
#
#   bash tests/wheel.sh [PYTHON]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
python=$(command -v "${1:-python3}")
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
export XDG_CACHE_HOME=$elsewhere/cache XDG_STATE_HOME=$elsewhere/state

"$python" -m venv "$elsewhere/env"
pip=("$elsewhere/env/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install -c "$here/constraints.txt" hatchling
(cd "$here" && "$elsewhere/env/bin/hatchling" build -t sdist -d "$elsewhere")
"${pip[@]}" wheel --no-deps --wheel-dir "$elsewhere" -c "$here/constraints.txt" \
    "$elsewhere"/chargen-*.tar.gz
holds() {  # holds ARCHIVE NAME...: each of these lies in it somewhere, and no training state
    local names kind=tarfile
    [[ $1 == *.whl ]] && kind=zipfile
    names=$("$python" -m "$kind" -l "$1" | cut -d' ' -f1)
    ! grep training.safetensors <<<"$names" || { echo "$1 holds a training state" >&2; exit 1; }
    for name in "${@:2}"; do
        grep -q "/$name\$" <<<"$names" || { echo "$1 holds no $name" >&2; exit 1; }
    done
}
holds "$elsewhere"/chargen-*.whl licenses/LICENSE py.typed \
    {everyday,facts}/{config.json,model.safetensors}
holds "$elsewhere"/chargen-*.tar.gz LICENSE CITATION.cff tests/wheel.sh
"${pip[@]}" install -c "$here/constraints.txt" "$elsewhere"/chargen-*.whl
chargen() { "$elsewhere/env/bin/chargen" "$@"; }

mkdir "$elsewhere/work"
cd "$elsewhere/work"
head -c 60000 "$here/corpora/everyday.txt" >text.txt
expect() {  # expect TEXT: standard input holds it
    local said
    said=$(cat)
    [[ $said == *"$1"* ]] || { echo "wanted $1, got: $said" >&2; exit 1; }
}
chargen sample --prompt GRANN --max-tokens 1 --temperature 0 | expect Y
chargen train text.txt --steps 40 --hidden-size 32 --json | expect '"event": "done"'
chargen train --resume --steps 60 --json | expect '"steps": 60'
chargen sample checkpoints/text --num-samples 2 --max-tokens 20 --json | expect '"finish_reason"'
chargen list --json | expect '"checkpoints/text"'
printf 'The color of a strawberry is\n/quit\n' | chargen | expect ' '
"$elsewhere/env/bin/python" - <<'PYTHON' | expect red
import chargen

print(chargen.load("checkpoints/text").generate("The", max_tokens=5).text)
for name in ("everyday", "facts"):
    bundled = chargen.load(f"{chargen.__path__[0]}/assets/{name}")
    print(bundled.generate("The color of a strawberry is", temperature=0).text)
PYTHON
echo "the wheel works: $(basename "$elsewhere"/chargen-*.whl)"
