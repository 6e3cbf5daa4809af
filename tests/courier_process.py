"""A courier in a process of its own, for the tests to kill: the settings come as usual."""

from __future__ import annotations

import threading

from earmark.service import Courier, Service
from earmark.settings import get_settings
from webhook_desk import Plain


def main() -> None:
    """Deliver until killed."""
    Courier(Service.open(get_settings()), {"native": Plain()}).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
