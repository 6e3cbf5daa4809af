"""Opening the storage: one secret for all who share a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.service import Store
from earmark.settings import Settings


def _open(database_url: str, folder: Path) -> None:
    Store.open(Settings.model_validate({"database_url": database_url, "data_dir": folder})).close()


def test_another_secret_on_the_same_database_is_told_of(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _open(database_url, tmp_path / "one")
    _open(database_url, tmp_path / "one")
    assert not caplog.records
    _open(database_url, tmp_path / "two")
    (record,) = caplog.records
    assert "EARMARK_SECRET_KEY" in record.message
