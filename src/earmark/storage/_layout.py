"""What is called what in the data folder of an embedded installation."""

from __future__ import annotations

__all__ = ["BLOBS_FOLDER", "DATABASE_FILE", "KEYRING_FILE", "KEY_FILE", "MASTER_KEY_FILE"]

DATABASE_FILE = "earmark.db"
BLOBS_FOLDER = "blobs"
KEY_FILE = "secret.key"
"""The secret of keys and links; a backup without it would void them."""
MASTER_KEY_FILE = "master.key"
"""What the keyring's data keys are encrypted with."""
KEYRING_FILE = "keyring.db"
"""The data keys, in a folder beside the data folder."""
