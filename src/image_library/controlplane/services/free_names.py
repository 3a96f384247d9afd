"""Names for images that a scan found: the file's own, made longer as far as it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from image_library.controlplane.ports.copies import Copies

_MOST_REMEMBERED = 10_000


class FreeNames:
    """Gives many names at once: a thousand nodes may all have their own "golden.qcow2"."""

    def __init__(self) -> None:
        # The number from which on a name was free when it was last looked for.
        self._next: dict[str, int] = {}

    async def give(self, copies: Copies, wanted: Sequence[str], project_id: str) -> list[str]:
        """A free name for each wanted one, in their order; no two are the same."""
        searches: dict[str, _Search] = {}
        for index, stem in enumerate(wanted):
            found = searches.setdefault(stem.lower(), _Search(self._next.get(stem.lower(), 2)))
            found.waiting.append((index, stem))
        given: dict[int, str] = {}
        while searches:
            tried = {key: search.candidates() for key, search in searches.items()}
            asked = {name.lower() for names in tried.values() for name in names}
            taken = set(await copies.taken(asked, project_id))
            for key, names in tried.items():
                # "golden" and its number 2 may also be somebody's "golden-2".
                free = [name for name in names if name.lower() not in taken]
                given |= searches[key].settle(free)
                taken.update(name.lower() for name in free)
                if not searches[key].waiting:
                    self._remember(key, searches.pop(key).number)
        return [given[index] for index in range(len(wanted))]

    def _remember(self, key: str, number: int) -> None:
        if number > 2 or key in self._next:
            if len(self._next) >= _MOST_REMEMBERED:
                self._next.clear()
            self._next[key] = number


@dataclass
class _Search:
    """Those who want the same name. Steps double while no number is free: a thousand are passed in ten."""

    # The next number to try.
    number: int
    # Who wants it, with the name as they write it.
    waiting: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    plain_tried: bool = False
    numbers_tried: bool = False
    step: int = 1

    def candidates(self) -> list[str]:
        """One name for each that waits."""
        names: list[str] = []
        for _, stem in self.waiting:
            if self.plain_tried:
                names.append(f"{stem}-{self.number}")
                self.number += 1
                self.numbers_tried = True
            else:
                names.append(stem)
                self.plain_tried = True
        return names

    def settle(self, free: list[str]) -> dict[int, str]:
        """Who gets which of these names, each with its own spelling of them."""
        if not free and self.numbers_tried:
            self.number += self.step
            self.step *= 2
        lucky, self.waiting = self.waiting[: len(free)], self.waiting[len(free) :]
        return {index: name for (index, _), name in zip(lucky, free, strict=True)}
