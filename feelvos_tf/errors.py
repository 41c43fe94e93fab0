"""The error that a user's input can cause."""


class InputError(ValueError):
    """Something a user handed over cannot be used.

    The message is one line that names the file or argument, what was found and what was
    expected, so that a command line can print it as it is.
    """

    def __init__(self, message: object = ""):
        # What is quoted, such as the name of a file, may hold line breaks.
        super().__init__(" ".join(str(message).splitlines()))
