"""Name what keeps the shop from starting, each in one sentence with what to do about it.

LauncherError
├── UnknownService
├── DataFolderInUse
├── DataFolderUnusable
├── PortTaken
└── PortUnusable
"""


class LauncherError(Exception):
    """Say in one sentence why the shop can't start and what helps."""


class UnknownService(LauncherError):
    """Report a name that is no service of this checkout."""


class DataFolderInUse(LauncherError):
    """Refuse to run on data that another launcher works on."""


class DataFolderUnusable(LauncherError):
    """Report a data folder that can't be made or written."""


class PortTaken(LauncherError):
    """Report a port on which another program listens."""


class PortUnusable(LauncherError):
    """Report an address or port that this user can't listen on at all."""
