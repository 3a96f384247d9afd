"""The table of marks as a script for the guest's own shell, run by its agent: no foreign text is in it.

Sources: cloud-init's ``clean``, POSIX's shell. Links are not followed, as when a disk is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from image_library.domain.generalisation.marks import ANYTHING, MARKS, Action, Mark

# What needs no quoting; "*" and "?" are meant.
_PATH = re.compile(r"(/[A-Za-z0-9._*?-]+)+")

_BEGIN = r"""PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
# A link anywhere in a path leads elsewhere: what lies there is not meant.
plain() {
  p=$1
  while [ -n "$p" ]; do
    [ ! -L "$p" ] || return 1
    p=${p%/*}
  done
}
holds() { [ -f "$2" ] && [ ! -L "$2" ] && grep -Eq -e "$1" -- "$2" 2> /dev/null; }
remove() {
  if [ -L "$1" ] || [ ! -d "$1" ]; then plain "${1%/*}" && rm -f -- "$1"; fi
}
empty() { [ -f "$1" ] && [ -s "$1" ] && plain "$1" && : > "$1"; }
remove_below() { [ -d "$1" ] && plain "$1" && find "$1" -xdev -mindepth 1 -delete; }
empty_below() {
  [ -d "$1" ] && plain "$1" && find "$1" -xdev -type f -exec sh -c 'for f; do : > "$f"; done' sh {} +
}
if command -v cloud-init > /dev/null; then
  cloud-init clean --machine-id --logs || cloud-init clean --logs
fi
# Before 23.1 that removes the file. systemd cannot make it while the root cannot be written to, and without
# it systemd-networkd asks for no address.
[ -e /etc/machine-id ] || : > /etc/machine-id
"""
# Trimmed, so that nothing of what was removed can be read in the copy, where the disk passes that on.
_END = r"""sync
if command -v fstrim > /dev/null; then
  fstrim /
  fstrim -a
fi
sync
exit 0
"""


def cleaning_script(marks: Iterable[Mark] = MARKS) -> str:
    """For ``sh``, as root: does to its guest what cleaning does to a copy. What it leaves is found there."""
    lines = [line for mark in marks if mark.action is not Action.KEEP for line in _of(mark)]
    return _BEGIN + "".join(f"{line}\n" for line in lines) + _END


def _of(mark: Mark) -> Iterator[str]:
    act = mark.action.value
    asked = "" if mark.holds in ("", ANYTHING) else f'holds {_word(mark.holds)} "$f" && '
    for path in mark.paths:
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is no path that a shell takes as it is")
        folder = path.removesuffix("/**")
        if folder != path and asked:
            raise ValueError(f"what lies below {folder!r} is taken whole")
        below = "_below" if folder != path else ""
        yield f'for f in {folder}; do {asked}{act}{below} "$f"; done'


def _word(pattern: str) -> str:
    if "'" in pattern or "\n" in pattern:
        raise ValueError(f"{pattern!r} is no word for a shell")
    return f"'{pattern}'"
