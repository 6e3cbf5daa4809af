"""Reading a recording to its end, every channel of it into an analysis."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.audio import SAMPLE_RATE, Audio
from earmark.diarization._analysis import Analysis
from earmark.diarization._evidence import Evidence
from earmark.diarization._progress import Reporter

__all__ = ["listen"]

_GUESS_S = 3600.0  # length at which a recording of unknown length is half-way


def listen(
    audio: Audio, analyses: Sequence[Analysis], report: Reporter, *, share: float
) -> list[Evidence]:
    """What the analyses, one per channel, find in ``audio``.

    ``share`` is the part of all the work that this is. Raises what reading raises, and `Canceled`.
    """
    heard, length = 0.0, audio.duration_hint

    def step() -> None:
        done = sum(analysis.analysed_s for analysis in analyses) / len(analyses)
        part = done / length if length else done / (done + _GUESS_S)
        report("analysing", share * min(1.0, part))

    try:
        for block in audio:
            for analysis, samples in zip(analyses, block, strict=True):
                analysis.push(samples)
            heard += block.shape[1] / SAMPLE_RATE
            step()
        length = heard
        return [analysis.finish(step) for analysis in analyses]
    except BaseException:
        for analysis in analyses:
            analysis.abandon()
        raise
