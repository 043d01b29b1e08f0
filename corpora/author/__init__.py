"""Writes plain everyday English: words and wordings come from the files of `../grammar`."""
