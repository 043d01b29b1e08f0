"""Everything visible: texts, tables, curves, plots, HTML pages. Computes nothing that it shows."""
