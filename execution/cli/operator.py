"""Who runs a command, for what is kept of it."""

from __future__ import annotations

import os
import pwd


def who() -> str:
    """The operating system's name for whoever runs this; under sudo, with who called it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {name}" if behind else name
