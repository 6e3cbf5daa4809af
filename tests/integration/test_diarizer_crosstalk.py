"""A call with a channel per side, each of which faintly hears the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earmark.diarization import Diarization
from engine import diarizer, samples, wav_file


def test_each_channel_has_its_own_person(
    models_dir: Path, sample_wav: Path, sample_rttm: Path
) -> None:
    sound, truth = samples(sample_wav), Diarization.from_rttm(sample_rttm)
    sides = []
    for speaker in truth.speakers:
        gain = np.full(len(sound), 0.05, np.float32)  # -26 dB
        for turn in truth:
            if turn.speaker == speaker:
                gain[round(turn.start * 16000) : round(turn.end * 16000)] = 1.0
        sides.append(sound * gain)
    found = diarizer(models_dir).diarize(wav_file(*sides), channels="split")
    for channel, speaker in enumerate(truth.speakers):
        spoken = sum(turn.duration for turn in truth if turn.speaker == speaker)
        turns = [turn for turn in found if turn.channel == channel]
        assert {turn.speaker for turn in turns} == {f"CH{channel}_SPEAKER_00"}
        assert abs(sum(turn.duration for turn in turns) - spoken) < 0.25 * spoken
