"""What is seen: texts, tables, curves, pictures, a page. Computes nothing that it shows."""
