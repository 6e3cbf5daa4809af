"""What is said of live sessions that were measured, for people and for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from earmark.bench import (
    LAYERS,
    Dataset,
    Errors,
    LiveAccuracy,
    LiveLoad,
    Naming,
    Person,
    Score,
    live_document,
    print_live_accuracy,
    print_naming,
)

SCORES = {
    layer: Score(strict=Errors(speech=100.0, miss=1.0 + place), recordings=1)
    for place, layer in enumerate(LAYERS)
}
ACCURACY = LiveAccuracy(
    delay_s=1.0,
    total=SCORES,
    recordings={"talk": SCORES},
    first_told_s=(0.5, 0.7, 9.0),
    confirmed_s=(12.0,),
)
NAMES = Naming(
    people=(
        Person(recording="talk", speaker="ann", after_s=2.5, spoken_s=1.5),
        Person(recording="talk", speaker="bob", after_s=None, spoken_s=None),
    ),
    names=3,
    wrong=2,
)


def load(p95: float, last: float) -> LiveLoad:
    return LiveLoad(
        streams=2,
        seconds=60.0,
        answers=100,
        latency_s={50: 0.1, 95: p95, 99: p95, 100: p95},
        last_s=last,
        drained_s=0.1,
        server_cpu=1.0,
        memory_mb=500.0,
        clients_cpu=0.1,
        late_s=0.0,
    )


def test_who_falls_behind_does_not_keep_up() -> None:
    assert load(0.5, 0.6).kept_up
    assert not load(1.2, 0.6).kept_up
    assert not load(0.9, 1.3).kept_up  # a backlog that has only begun to grow


def test_the_layers_are_told_beside_each_other() -> None:
    said = io.StringIO()
    console = Console(file=said, width=132)
    dataset = Dataset(folder=Path("talks"), recordings=(), left_out=(), sha256="0" * 64)
    print_live_accuracy(ACCURACY, dataset, console)
    print_naming(NAMES, console)
    for rate in ("1.0", "2.0", "3.0", "4.0", "5.0"):
        assert f"{rate} /" in said.getvalue()
    assert "told 0.7 s (nine in ten: 9.0 s)" in said.getvalue()
    assert "1 of 2 people were named rightly, 2.5 s" in said.getvalue()


def test_the_document_has_what_was_measured_and_nothing_else() -> None:
    document = json.loads(json.dumps(live_document(None, ACCURACY, NAMES)))
    assert document["load"] is None
    assert document["accuracy"]["total"]["confirmed"]["strict"]["der"] == 0.02
    assert document["names"]["wrong"] == 2
