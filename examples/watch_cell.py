"""Find the cell that follows the position in the line, and watch it while the model reads.

Karpathy, Johnson and Fei-Fei (2015) found such cells by eye. chargen finds them by correlation, in
the part of the text that the model was not trained on.

python examples/watch_cell.py facts "position in line"
"""

import sys

import chargen

BARS = " ▁▂▃▄▅▆▇█"
TEXT = """\
My sister likes to eat apples, and my brother likes to eat bread.
A strawberry is red, just like a tomato, but a lemon is yellow.
"""

checkpoint = sys.argv[1] if len(sys.argv) > 1 else "facts"
feature = sys.argv[2] if len(sys.argv) > 2 else "position in line"

found = chargen.inspect(checkpoint, TEXT)
cells = {cell.feature: cell for cell in found.followers if cell.follows}
if feature not in cells:
    sys.exit(f"no cell follows {feature!r}; there are cells for: {', '.join(cells) or 'nothing'}")
cell = cells[feature]
print(f"cell {cell.layer}:{cell.unit} follows the {feature}: correlation {cell.correlation:+.2f}\n")

[view] = [view for view in found.inspection.views if view.title.endswith(feature)]
low, high = view.values.min(), view.values.max()
line = bars = ""
for part, value in zip(found.inspection.parts, view.values, strict=True):
    if part.text == "\n":
        print(line, bars, sep="\n")
        line = bars = ""
    else:
        line += part.text
        bars += BARS[round(8 * (value - low) / max(high - low, 1e-9))] * len(part.text)
