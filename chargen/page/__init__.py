"""A model in a browser, which computes there: one HTML file, in JavaScript and by itself.

`engine/` runs in a worker and knows no DOM; `app/` is what people see; `assemble` puts both into
the file, with a model's files within it or without. Imports no network of ours: that is written
once more, in JavaScript.
"""
