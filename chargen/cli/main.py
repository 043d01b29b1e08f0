"""The entry: streams, signals and exit codes, whatever the command.

Nothing heavy is imported before it is needed: `chargen --help` answers at once. Exit codes: 0 done;
2 the command line is wrong by itself; 1 everything else that failed; 130, 143 and 129 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from chargen.cli.commands import ALIASES, COMMANDS, DEFAULT
from chargen.cli.flags import parse_command_line
from chargen.errors import ChargenError, ConfigError, in_flags
from chargen.runtime.signals import EXIT_CODES, Terminated, terminate_by_exception
from chargen.runtime.streams import open_streams
from chargen.runtime.torchrun import is_one_of_several

# For the command line alone, whose process is ours: as it is started, and only where it is not set.
# Threads of OpenMP (torch) and OpenBLAS (numpy) spin while they wait, by default for long. With
# another program on the same cores that can make a step many times slower: benchmarks/
# side_by_side.py; and what writes a word or two waits a quarter longer: benchmarks/first_word.py.
ENVIRONMENT = {"GOMP_SPINCOUNT": "10000", "OPENBLAS_THREAD_TIMEOUT": "18"}  # 2 ** 18 cycles


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `argv` is the command line without the program."""
    code = _run(sys.argv[1:] if argv is None else list(argv))
    if is_one_of_several():
        from chargen.runtime.distributed import leave_and_exit

        leave_and_exit(code)
    return code


def _run(argv: list[str]) -> int:
    open_streams()
    try:
        terminate_by_exception()
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        command, arguments = parse_command_line(COMMANDS, argv, default=DEFAULT, aliases=ALIASES)
        code = command.run(arguments)
        sys.stdout.flush()
        return code
    except ChargenError as error:
        _show_error(error)
        return 2 if isinstance(error, ConfigError) else 1
    except Terminated as terminated:
        return EXIT_CODES[terminated.by]
    except KeyboardInterrupt:
        return EXIT_CODES[signal.SIGINT]
    except BrokenPipeError:
        _forget_output()
        return 1
    except OSError as error:
        if error.filename is not None:
            raise  # no user's mistake that we know of
        _forget_output()
        print(f"chargen: cannot write the output: {error.strerror}", file=sys.stderr)
        return 1


def _show_error(error: ChargenError) -> None:
    """One line, from one process where torchrun has started several."""
    who: str | None = ""
    if is_one_of_several():
        from chargen.runtime.distributed import error_prefix

        who = error_prefix()
    if who is not None:
        from chargen.display.console import show_error

        show_error(who + error.spelled(in_flags))


def _forget_output() -> None:
    """Nobody reads our output, or it cannot be written: Python must not find out again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
