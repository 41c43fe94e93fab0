"""What the console scripts have in common: flags, `--help`, one-line errors, exit codes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from absl import app, flags, logging

from feelvos_tf import signals
from feelvos_tf.errors import errors_of_input
from feelvos_tf.fetching import cache_folder
from feelvos_tf.version import __version__

QUIET = flags.DEFINE_bool("quiet", False, "Print nothing but errors.")
OFFLINE = flags.DEFINE_bool(
    "offline",
    False,
    "Fetch no weights from the network; those that are here are taken. The same as "
    "FEELVOS_OFFLINE=1 in the environment.",
)
flags.DEFINE_bool("version", False, "Print the versions of feelvos_tf, TensorFlow and Python.")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def run(
    main: Callable[[list[str]], int | None],
    argv: list[str] | None = None,
    max_arguments: int = 0,
) -> None:
    """Parses the flags, runs `main` and ends the process; never returns.

    The exit code is what `main` returns (None counts as 0). It is 1 after a flag that cannot be
    used or is given twice, `InputError`, an error of the operating system (missing file, full
    disk) or one of TensorFlow's own forms of these, 130 after Ctrl-C and 143 after SIGTERM; each
    prints `error: ...` on one line to stderr. Any other exception is a bug and keeps its traceback.

    `--help` prints the docstring of `main`'s module, that module's flags and those that all
    commands share, and exits with 0; so does `--version`. `--quiet` leaves stdout empty.

    Args:
        main: takes what is left of the command line: the program's name and, where the command
            has any, the arguments that are no flags.
        argv: the command line with the program's name first; `sys.argv` by default.
        max_arguments: how many arguments beside flags are accepted.

    Raises:
        SystemExit: always.
    """

    def guarded_main(arguments: list[str]) -> None:
        _prepare_process()
        if OFFLINE.value:
            os.environ[cache_folder.OFFLINE] = "1"  # child processes agree
        # TensorFlow and the Model Garden remark on their insides; --verbosity=0 shows it.
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        try:
            surplus = arguments[1 + max_arguments :]
            if surplus:
                raise app.UsageError(f"unexpected argument {surplus[0]!r}; see --help")
            with _silence() if QUIET.value else contextlib.nullcontext():
                code = main(arguments)
            sys.exit(code)
        except Terminated:
            _fail("terminated", exit_code=128 + signal.SIGTERM)
        except KeyboardInterrupt:
            _fail("interrupted", exit_code=130)
        except BrokenPipeError:
            _reader_has_gone()
        except OSError as error:
            _fail(_describe_os_error(error))
        except app.UsageError as error:
            _fail(str(error))
        except errors_of_input() as error:
            _fail(str(error))

    def parse_flags(arguments: Sequence[str]) -> list[str]:
        if any(word in ("--help", "-help", "-h", "--helpshort") for word in arguments[1:]):
            try:
                _print_help(main)
            except BrokenPipeError:
                _reader_has_gone()
            sys.exit(0)
        # As with --help, flags that a command requires may be missing.
        if any(word in ("--version", "-version") for word in arguments[1:]):
            print(_versions())
            sys.exit(0)
        try:
            rest = flags.FLAGS(arguments)
        except flags.Error as error:
            _fail(f"{error} (see --help)")
        for name in flags.FLAGS:
            flag = flags.FLAGS[name]
            if flag.present > 1 and not isinstance(flag, flags.MultiFlag):
                _fail(f"--{name} is given {flag.present} times, expected once (see --help)")
        return rest

    app.run(guarded_main, argv=argv, flags_parser=parse_flags)


def let_finish(stop: threading.Event) -> None:
    """Makes the first Ctrl-C or SIGTERM set an event; the one after it ends the command."""
    for number in signals.ENDING:
        before = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None, before: Any = before) -> None:
            stop.set()
            signal.signal(number, before)

        signal.signal(number, handle)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Takes all that is printed, by libraries too, away from stdout."""
    with open(os.devnull, "w", errors="backslashreplace") as nowhere:
        with contextlib.redirect_stdout(nowhere):
            yield


def _versions() -> str:
    """The releases that tell how this process computes, on one line."""
    try:
        tensorflow = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:  # a build of another name, or none
        tensorflow = "not installed by that name"
    return f"feelvos_tf {__version__} (TensorFlow {tensorflow}, Python {platform.python_version()})"


def _reader_has_gone() -> None:
    """Exits where the reader of our output has gone (`| head`)."""
    # Python would complain once more when it flushes stdout at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _prepare_process() -> None:
    """Makes SIGTERM an exception, and file names that are no UTF-8 printable."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    last = float("-inf")

    def terminate(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        again, last = now - last < signals.SECONDS_OF_ONE, now
        if not again:  # else files that are being put in order would stay half done
            raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def _fail(message: str, exit_code: int = 1) -> None:
    """Prints the message on one line to stderr and exits."""
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(exit_code)


def _describe_os_error(error: OSError) -> str:
    """`FILE: REASON` in place of Python's `[Errno N] REASON: 'FILE'`."""
    if error.filename is None or error.strerror is None:
        return error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {error.strerror}"


def _print_help(main: Callable[..., object]) -> None:
    """Prints what the command does and its flags.

    absl prints the flags of the script that was started; a console script has none, its
    flags are those of the module that defines `main`.
    """
    module = sys.modules[main.__module__]
    print((module.__doc__ or "").strip())
    # absl files the flags of a module run by `python -m` under the program's name.
    name = sys.argv[0] if main.__module__ == "__main__" else main.__module__
    print(flags.FLAGS.module_help(name))
    print(flags.FLAGS.module_help(__name__), flush=True)
