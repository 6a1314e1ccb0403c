"""What is known of the rows on a server: the notes of kinds, as it tells them."""

from collections.abc import Sequence

from pymodels.tokyo.client import Client
from pymodels.tokyo.serve.tracking import FOREIGN, WITH_NUL


class Knowledge:
    """The notes of the rows, if the server keeps them and they tell all.

    What a thread has learned another may use: each looks, after it asked, whether
    what it built on still held.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._notes: frozenset[str] | None = None
        self.has_clean_texts = False
        """Whether no value is known to hold a NUL, which no index on texts bears."""

    @property
    def is_kept(self) -> bool:
        """Whether the server keeps notes at all."""
        return self._client.has_function("notes")

    def now(self) -> frozenset[str] | None:
        """Ask for the notes; None where they do not tell all."""
        if not self.is_kept:
            return None
        return self.learn(self._client.notes())

    def known(self) -> frozenset[str] | None:
        """Give the notes that were told last; ask if they did not tell all then."""
        return self.now() if self._notes is None else self._notes

    def learn(self, told: Sequence[bytes]) -> frozenset[str] | None:
        """Take what the server tells."""
        self.has_clean_texts = WITH_NUL not in told
        notes = frozenset(one.decode(errors="replace") for one in told)
        self._notes = None if FOREIGN in told else notes
        return self._notes

    def found(
        self, name: bytes, arguments: Sequence[bytes]
    ) -> tuple[Sequence[bytes], frozenset[str] | None]:
        """Ask, and learn which notes there were right after it."""
        if not self.is_kept:
            answer = self._client.read_misc(name, arguments)
            return self._client.good(answer, name.decode()).strings, None
        strings, told = self._client.with_notes(name, arguments)
        return strings, self.learn(told)
