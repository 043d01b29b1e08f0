"""Find the cell that follows the position in the line, and watch it while the model reads.

Karpathy, Johnson and Fei-Fei (2015) found such cells by eye. chargen looks for them by correlation,
in the part of its text that the model was not trained on.

python examples/watch_cell.py everyday "position in line"
"""

import argparse
import sys

import chargen

BARS = " ▁▂▃▄▅▆▇█"
TEXT = """\
My sister likes to eat apples, and my brother likes to eat bread.
Once upon a time there was a little bear who lived in a house.
The bear was hungry.
"""

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("checkpoint", nargs="?", default="everyday")
parser.add_argument("feature", nargs="?", default="position in line", help="what to follow")
args = parser.parse_args()

found = chargen.inspect(args.checkpoint, TEXT)
cell = next((cell for cell in found.followers if cell.feature == args.feature), None)
if cell is None or not cell.follows:
    features = ", ".join(cell.feature for cell in found.followers if cell.follows)
    sys.exit(f"no cell follows {args.feature!r}; there are some for: {features or 'nothing'}")
name = f"cell {cell.layer}:{cell.unit}"
print(f"{name} follows the {cell.feature}: correlation {cell.correlation:+.2f}\n")

[view] = [view for view in found.inspection.views if view.title.endswith(args.feature)]
low, high = view.values.min(), view.values.max()
line = bars = ""
for part, value in zip(found.inspection.parts, view.values, strict=True):
    if part.text == "\n":
        print(line, bars, sep="\n")
        line = bars = ""
    else:
        line += part.text
        bars += BARS[round((value - low) / (high - low) * 8)] * len(part.text)
