"""The command line: flags, commands, exit codes. Imports nothing heavy before it is needed."""
