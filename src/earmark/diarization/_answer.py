"""The result of a diarization, from the answers of its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from earmark.diarization._channel import Channel, Span
from earmark.diarization._clustering import CountHint
from earmark.diarization._confidence import FrameConfidence
from earmark.diarization._grid import FRAME_S, FRAME_START_S
from earmark.diarization._parameters import FAST, Parameters
from earmark.diarization._result import Diarization
from earmark.diarization._turn import Turn
from earmark.voiceprints import Voiceprint

__all__ = ["diarization_of"]


def diarization_of(
    answers: Sequence[Channel],
    names: Sequence[int | None],
    hint: CountHint,
    parameters: Parameters,
    *,
    duration: float,
    start: float,
    uri: str | None,
    warnings: tuple[str, ...],
    models: Mapping[str, str],
) -> Diarization:
    """Put channels together, each under its name (None: it is a mix of all).

    ``duration`` and ``start`` are seconds; what misses ``hint`` is warned of.
    """
    voiceprint_model = "diarization-fast-1" if parameters == FAST else "diarization-1"
    turns: list[Turn] = []
    exclusive: list[Turn] = []
    voiceprints = {}
    for answer, channel in zip(answers, names, strict=True):
        prefix = "" if channel is None else f"CH{channel}_"
        labels = [f"{prefix}SPEAKER_{k:02d}" for k in range(len(answer.centroids))]
        turns += _turns(answer.spans, labels, channel, start)
        exclusive += _turns(answer.exclusive, labels, channel, start)
        for label, vector, seconds in zip(
            labels, answer.centroids, answer.net_speech_s, strict=True
        ):
            if vector.any():
                voiceprints[label] = Voiceprint(
                    vector=vector,
                    model=voiceprint_model,
                    net_speech_s=round(float(seconds), 3),
                )
        missed = hint.missed(len(labels))
        if missed:
            where = "" if channel is None else f" on channel {channel}"
            warnings = (*warnings, f"{missed}{where}.")
    return Diarization(
        turns=tuple(turns),
        exclusive=tuple(exclusive),
        duration=duration,
        start_s=start,
        channels=tuple(channel for channel in names if channel is not None),
        voiceprints=voiceprints,
        confidence=FrameConfidence(
            values=np.stack([answer.confidence for answer in answers]),
            step=FRAME_S,
            start=start + FRAME_START_S,
        ),
        warnings=warnings,
        uri=uri,
        models=models,
        settings=asdict(parameters) | {"networks": "+".join(parameters.networks)},
    )


def _turns(spans: list[Span], labels: list[str], channel: int | None, start: float) -> list[Turn]:
    return [
        Turn(
            start=start + span.start,
            end=start + span.end,
            speaker=labels[span.speaker],
            channel=channel,
            confidence=span.confidence,
        )
        for span in spans
    ]
