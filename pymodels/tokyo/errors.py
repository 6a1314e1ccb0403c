"""What the library calls an error: a number, and a word for it."""

THREADING, INVALID, NO_FILE, NO_PERMISSION, META, HEAD = 1, 2, 3, 4, 5, 6
OPENING, LOCKED, KEPT, NO_RECORD, OTHER = 7, 16, 21, 22, 9999


class TokyoError(Exception):
    """The library refused or failed; ``code`` is its number for that."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} (error {code})")
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["TokyoError"], tuple[int, str]]:
        return type(self), (self.code, self.message)


class LibraryMissing(Exception):
    """The C library is not installed; the message names its system packages."""
