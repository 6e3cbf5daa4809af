"""What logs look like, tried in a process of its own: logging is one thing per process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

_PROGRAM = """
import logging, sys
import structlog
from earmark.server._logging import configure_logging
from earmark.settings import Settings

logging.getLogger("dbos").addHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("dbos").propagate = False
configure_logging(Settings(log_format={form!r}, log_level={level!r}))
with structlog.contextvars.bound_contextvars(request_id="r1"):
    {statement}
"""


def _lines(statement: str, *, form: str = "json", level: str = "info") -> list[str]:
    program = _PROGRAM.format(form=form, level=level, statement=statement)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def _logged(*statements: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [json.loads(line) for line in _lines("; ".join(statements))]
    assert all(event.pop("timestamp").endswith("Z") for event in events)
    return events


def test_every_logger_writes_one_json_object_per_line() -> None:
    names = ["earmark.service", "dbos", "alembic.runtime", "uvicorn.error"]
    statements = [f"logging.getLogger({name!r}).warning('two\\nlines %s', 'é')" for name in names]
    assert _logged(*statements) == [
        {"event": "two\nlines é", "level": "warning", "logger": name, "request_id": "r1"}
        for name in names
    ]


def test_facts_are_fields() -> None:
    (event,) = _logged("structlog.stdlib.get_logger('earmark.x').info('done', seconds=1.5)")
    assert event == {
        "event": "done",
        "seconds": 1.5,
        "level": "info",
        "logger": "earmark.x",
        "request_id": "r1",
    }


def test_text_is_for_people() -> None:
    (line,) = _lines("logging.getLogger('earmark.x').info('hello')", form="text")
    assert "hello" in line
    assert "r1" in line
    assert not line.startswith("{")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_has_no_local_variables(form: str) -> None:
    statement = (
        "\n    secret = 'hunter2'\n    try: 1 / 0\n"
        "    except ZeroDivisionError: logging.getLogger('earmark').exception('failed')"
    )
    text = "\n".join(_lines(statement, form=form))
    assert "ZeroDivisionError" in text
    assert "hunter2" not in text


def test_keys_and_addresses_are_cut_short_whoever_logs_them() -> None:
    texts = {
        "a key em_0123456789abcdefghijklmnopqrstuvwxyzABCD is": "a key em_… is",
        "GET https://example.org/jane.wav?sig=1 failed": "GET https://example.org/… failed",
        "https://example.org?sig=1": "https://example.org/…",
        "postgresql://user:pass@db:5432/earmark": "postgresql://db:5432/…",
        "s3://bucket/jane.wav": "s3://bucket/…",
        "media://jane is gone": "media://… is gone",
        "ready": "ready",
    }
    for statement, field in [
        ("logging.getLogger('somebody').info({!r})", "event"),
        ("structlog.stdlib.get_logger('x').info('it', what={!r})", "what"),
    ]:
        events = _logged(*(statement.format(text) for text in texts))
        assert [event[field] for event in events] == list(texts.values())


def test_talkative_loggers_are_quiet_even_when_debugging() -> None:
    names = ["httpx", "httpcore", "uvicorn.error", "python_multipart"]
    statements = [f"logging.getLogger({name!r}).info('GET /?name=jane')" for name in names]
    (line,) = _lines("; ".join([*statements, "logging.debug('seen')"]), level="debug")
    assert json.loads(line)["event"] == "seen"


def test_the_level_is_as_set() -> None:
    statement = "logging.getLogger('earmark').info('a'); logging.getLogger('earmark').error('b')"
    assert [json.loads(line)["event"] for line in _lines(statement, level="error")] == ["b"]
