"""SIGTERM and SIGINT: the first asks to drain, the second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

__all__ = ["Signals"]


class Signals:
    """Listens to the signals of this process; to be made inside the running event loop."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            if sys.platform == "win32":
                signal.signal(
                    number, lambda came, _frame: loop.call_soon_threadsafe(self._came, came)
                )
            else:
                loop.add_signal_handler(number, self._came, number)

    async def wait(self) -> None:
        """Until the process is asked to end."""
        await self._asked.wait()

    def _came(self, number: int) -> None:
        if self._asked.is_set():
            os._exit(128 + number)
        self._asked.set()
