"""What the console scripts have in common: flags, `--help`, one-line errors, exit codes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags

from feelvos_tf.errors import InputError
from feelvos_tf.version import __version__

QUIET = flags.DEFINE_bool("quiet", False, "Print nothing but errors.")
flags.DEFINE_bool("version", False, "Print the versions of feelvos_tf, TensorFlow and Python.")

_FILE_ERRORS = (
    "DataLossError",
    "NotFoundError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
)


def run(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None,
        max_arguments: int = 0) -> None:
    """Parses the flags, runs `main` and ends the process; never returns.

    The exit code is what `main` returns (None counts as 0). It is 1 after a flag that cannot be
    used, `InputError`, an error of the operating system (missing file, full disk) or one of
    TensorFlow's own forms of these, and 130 after Ctrl-C; each prints `error: ...` on one line
    to stderr. Any other exception is a bug and keeps its traceback.

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
        try:
            surplus = arguments[1 + max_arguments:]
            if surplus:
                raise app.UsageError(f"unexpected argument {surplus[0]!r}; see --help")
            with _silence() if QUIET.value else contextlib.nullcontext():
                code = main(arguments)
            sys.exit(code)
        except KeyboardInterrupt:
            _fail("interrupted", exit_code=130)
        except BrokenPipeError:
            # The reader of our output has gone (`| head`). Python would complain once more when
            # it flushes stdout at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            _fail(_describe_os_error(error))
        except (InputError, app.UsageError, *_tensorflow_file_errors()) as error:
            _fail(str(error))

    def parse_flags(arguments: Sequence[str]) -> list[str]:
        if any(word in ("--help", "-help", "-h", "--helpshort") for word in arguments[1:]):
            _print_help(main)
            sys.exit(0)
        # As with --help, flags that a command requires may be missing.
        if any(word in ("--version", "-version") for word in arguments[1:]):
            print(_versions())
            sys.exit(0)
        try:
            return flags.FLAGS(arguments)
        except flags.Error as error:
            _fail(f"{error} (see --help)")

    app.run(guarded_main, argv=argv, flags_parser=parse_flags)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Takes all that is printed, by libraries too, away from stdout."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _versions() -> str:
    """The releases that tell how this process computes, on one line."""
    try:
        tensorflow = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:  # a build of another name, or none
        tensorflow = "not installed by that name"
    return (f"feelvos_tf {__version__} (TensorFlow {tensorflow}, "
            f"Python {platform.python_version()})")


def _fail(message: str, exit_code: int = 1) -> None:
    """Prints the message on one line to stderr and exits."""
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(exit_code)


def _describe_os_error(error: OSError) -> str:
    """`FILE: REASON` in place of Python's `[Errno N] REASON: 'FILE'`."""
    if error.filename is None or error.strerror is None:
        return error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {error.strerror}"


def _tensorflow_file_errors() -> tuple[type[Exception], ...]:
    """TensorFlow's errors about files and memory, if TensorFlow has been imported at all."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return ()
    return tuple(getattr(tensorflow.errors, name) for name in _FILE_ERRORS)


def _print_help(main: Callable) -> None:
    """Prints what the command does and its flags.

    absl prints the flags of the script that was started; a console script has none, its
    flags are those of the module that defines `main`.
    """
    module = sys.modules[main.__module__]
    print((module.__doc__ or "").strip())
    # absl files the flags of a module run by `python -m` under the program's name.
    name = sys.argv[0] if main.__module__ == "__main__" else main.__module__
    print(flags.FLAGS.module_help(name))
    print(flags.FLAGS.module_help(__name__))
