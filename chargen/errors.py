"""What can go wrong through no fault of chargen: a message, and a way out.

Everything that a user can cause is a ChargenError; anything else is a bug and keeps its traceback.
"""


class ChargenError(Exception):
    """A mistake or an accident that the user can mend.

    `message` says what is wrong and why, `hint` how to go on; `str()` joins them in one line.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ConfigError(ChargenError):
    """An option is wrong by itself, whatever text or checkpoint it is used on.

    Where one option is to blame, `option` is its name and the message goes on from there
    ("must be at least 1, not -3").
    """

    def __init__(self, message: str, *, option: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{option} {message}" if option else message, hint=hint)


class CorpusError(ChargenError):
    """A training text is missing, empty, too short or not UTF-8."""


class TokenizerError(ChargenError):
    """A text cannot be encoded, or a vocabulary cannot be made."""


class CheckpointError(ChargenError):
    """A checkpoint folder is missing, foreign, damaged or in the way."""


class DeviceError(ChargenError):
    """The device asked for is not there."""


class TrainingError(ChargenError):
    """Training cannot go on."""


class RanksError(ChargenError):
    """Processes that learn together cannot go on together."""


class OutputError(ChargenError):
    """A file cannot be written, or is in the way."""


class SessionError(ChargenError):
    """A session file is foreign, damaged, of another model or in the way."""
