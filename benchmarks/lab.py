"""What the worlds of `chargen lab` say, and how long each takes, from one seed or several.

python benchmarks/lab.py [--seeds 1 2] [--only WORLD ...]
"""

from __future__ import annotations

import argparse
import textwrap
import time

from chargen.lab import WORLDS, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--only", nargs="+", choices=WORLDS, default=list(WORLDS))
    arguments = parser.parse_args()
    for name in arguments.only:
        for seed in arguments.seeds:
            begun = time.monotonic()
            says = run(name, seed=seed).says
            print(f"{name}, seed {seed}, {time.monotonic() - begun:.0f} s")
            print(textwrap.indent(textwrap.fill(says, 100), "    "), flush=True)


if __name__ == "__main__":
    main()
