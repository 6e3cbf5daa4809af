"""The one voice of a recording in which one person speaks: to be enrolled, or looked for."""

from __future__ import annotations

from earmark.diarization._result import Diarization
from earmark.errors import SeveralSpeakers, TooLittleSpeech
from earmark.voiceprints import Voiceprint, require_model

__all__ = ["one_voice"]

_SAME_VOICE = 0.6  # cosine from which two speakers of a recording are one person after all
_TWO_VOICES = 0.42  # consistency below which one speaker is two people
_SLIP_S = 1.5  # somebody else's speech that is no reason to refuse a recording ...
_SLIP_SHARE = 0.1  # ... or this share of all speech


def one_voice(
    diarization: Diarization, *, needed_s: float = 1.0, refuse_others: bool = True
) -> tuple[str, Voiceprint]:
    """The one speaker of a recording, or the most talkative one, and the voiceprint.

    ``diarization`` has voiceprints of the default model. A person whom the analysis took for two,
    of nearly the same voice, counts as one.

    Raises `TooLittleSpeech` when there is less than ``needed_s`` seconds of clean speech, and
    unless ``refuse_others`` is False `SeveralSpeakers` when somebody else says more than a word.
    """
    prints = diarization.voiceprints
    if not prints:
        raise _too_little(0.0, needed_s)
    talk = {each.speaker: each.talk for each in diarization.chart().speakers}
    first = max(prints, key=lambda speaker: talk[speaker])
    main = require_model(prints[first])
    same = [
        speaker
        for speaker, each in prints.items()
        if speaker == first or main.cosine(each) >= _SAME_VOICE
    ]
    if refuse_others:
        _require_one(main, sum(talk.values()), sum(talk[speaker] for speaker in same))
    voiceprint = Voiceprint.mean(prints[speaker] for speaker in same)
    if voiceprint.net_speech_s < needed_s:
        raise _too_little(voiceprint.net_speech_s, needed_s)
    return first, voiceprint


def _require_one(main: Voiceprint, total_s: float, own_s: float) -> None:
    """Raise `SeveralSpeakers` when ``main`` is of two voices, or others have too much to say."""
    others_s = total_s - own_s
    if others_s > max(_SLIP_S, _SLIP_SHARE * total_s):
        raise SeveralSpeakers(
            f"More than one person speaks: {others_s:.1f} s of {total_s:.1f} s of speech are"
            " somebody else's; send a recording of one person alone."
        )
    if main.consistency is not None and main.consistency < _TWO_VOICES:
        raise SeveralSpeakers(
            "More than one person speaks: parts of the speech sound like different voices; send a"
            " recording of one person alone."
        )


def _too_little(net_speech_s: float, needed_s: float) -> TooLittleSpeech:
    return TooLittleSpeech(
        f"There are {net_speech_s:.1f} s of one person's clear speech, but {needed_s:.1f} s are"
        " needed: send a longer recording.",
        net_speech_s=net_speech_s,
        needed_s=needed_s,
    )
