"""As whom this process runs and which part of the file system it sees: a step that may change it can leave it so."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from msgspec import Struct

_status = os.stat
"""That of the system itself, which no watch hears."""


class Identity(Struct, frozen=True):
    """The process's rights at one moment.

    Attributes:
        user: The real and the effective user, and the saved one where the system tells it.
        group: The same of its group.
        groups: Its further groups.
        top: Where its file system begins, by device and number.
    """

    user: Sequence[int]
    group: Sequence[int]
    groups: Sequence[int]
    top: tuple[int, int]

    @classmethod
    def read(cls) -> Identity:
        """Return the identity as it is now."""
        top = _status("/")
        return cls(_user(), _group(), os.getgroups(), (top.st_dev, top.st_ino))

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was."""
        if Identity.read() == self:
            return True
        try:
            # The user first: nobody else may change the rest.
            if _user() != self.user:
                os.setresuid(*self.user)
            if _group() != self.group:
                os.setresgid(*self.group)
            if os.getgroups() != self.groups:
                os.setgroups(self.groups)
        except (OSError, AttributeError, TypeError):
            # Given up for good, or a system without these calls.
            return False
        return Identity.read() == self


_user: Callable[[], Sequence[int]] = getattr(os, "getresuid", lambda: (os.getuid(), os.geteuid()))
_group: Callable[[], Sequence[int]] = getattr(os, "getresgid", lambda: (os.getgid(), os.getegid()))
