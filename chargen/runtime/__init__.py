"""The machine: files, processes, signals, devices, ranks. Knows no text and no network."""
