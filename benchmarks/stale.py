"""Which results are older than the code that they measure.

    python benchmarks/stale.py [NAME...]

A result is stale when its script, or a file below what it measures, has changed since its commit:
in code, not in comments, layout or docstrings. Exit code 1 when one that README's table shows is.
"""

from __future__ import annotations

import argparse

from measurement import ROOT, changed_since, load_measurement, readme_figures, result_names

SHOWN = 3  # files named of those that changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", nargs="*", metavar="NAME", help="default: all")
    arguments = parser.parse_args()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    in_readme = {name for _, name in readme_figures(readme)}
    stale = set()
    for name in arguments.name or result_names():
        measurement = load_measurement(name)
        changed = changed_since(measurement)
        if changed:
            stale.add(name)
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        print(
            f"{name:<21} {measurement.commit} {measurement.date}  "
            f"{'in README' if name in in_readme else '':<9}  "
            f"{'stale: ' + ', '.join(changed[:SHOWN]) + more if changed else 'current'}"
        )
    if again := sorted(stale & in_readme):
        print(f"\nREADME shows stale figures: python benchmarks/record.py {' '.join(again)}")
    return 1 if again else 0


if __name__ == "__main__":
    raise SystemExit(main())
