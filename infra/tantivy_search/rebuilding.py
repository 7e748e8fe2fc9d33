"""The generations of a data folder's search index, as a rebuild wants them."""

import shutil
import time
from pathlib import Path
from typing import Final

from infra.tantivy_search.generations import (
    begin_generation,
    flip,
    generation_folder,
    generations,
    live_generation,
    remove_generation,
)
from infra.tantivy_search.index import SearchIndexIncompatibleError, SearchIndexLockedError, TantivyIndex

LET_GO_S: Final = 3.0
"""So long the service is waited for to let go of an old generation; else the next rebuild removes it."""


class TantivyGenerations:
    """`SearchGenerations` of a folder."""

    def __init__(self, folder: Path, *, let_go_s: float = LET_GO_S) -> None:
        self._folder = folder
        self._let_go_s = let_go_s

    def begin(self) -> tuple[int, TantivyIndex]:
        """See `SearchGenerations.begin`; older ones that nobody writes any more go first."""
        live = live_generation(self._folder)
        for old in generations(self._folder):
            if old < live and self._is_let_go(old):
                remove_generation(self._folder, old)
        begun = [one for one in generations(self._folder) if one > live]
        if not begun:
            return self._opened(begin_generation(self._folder))
        try:
            return self._opened(begun[-1])
        except SearchIndexIncompatibleError:
            shutil.rmtree(generation_folder(self._folder, begun[-1]))
            return self._opened(begin_generation(self._folder))

    def switch(self, generation: int) -> None:
        """See `SearchGenerations.switch`."""
        flip(self._folder, generation)

    def remove_old(self) -> bool:
        """See `SearchGenerations.remove_old`: the one before the live one, once no process writes it."""
        live = live_generation(self._folder)
        older = [one for one in generations(self._folder) if one < live]
        if not older:
            return True
        deadline = time.monotonic() + self._let_go_s
        while not self._is_let_go(older[-1]):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        remove_generation(self._folder, older[-1])
        return True

    def _opened(self, generation: int) -> tuple[int, TantivyIndex]:
        return generation, TantivyIndex(generation_folder(self._folder, generation))

    def _is_let_go(self, generation: int) -> bool:
        """Whether no process writes this generation; its readers keep what they have opened."""
        try:
            index = TantivyIndex(generation_folder(self._folder, generation))
            index.apply((), (), {})
        except SearchIndexLockedError:
            return False
        except SearchIndexIncompatibleError:
            return True
        index.close()
        return True
