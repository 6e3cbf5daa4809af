"""Train what cosines of voiceprints mean (`earmark.voiceprints.Calibration`) on known people.

    EARMARK_EVAL_DIR=... python scripts/train_calibration.py

Takes the recordings of ``EARMARK_EVAL_DIR/verification`` whose licences let what is trained on them
ship, as they are and as a telephone would carry them, makes voiceprints of cuts from half a second
on and of several recordings together, and compares them. Prints EER and Cllr for people left out of
the fit, and how often strangers pass a threshold, and writes ``calibration.json``. Deterministic.
"""

from __future__ import annotations

import io
import sys
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import earmark.voiceprints
from earmark.audio import SAMPLE_RATE, open_audio, read_audio
from earmark.bench import Roc, Trials, cllr, left_out
from earmark.diarization import Diarizer
from earmark.settings import Settings, get_settings
from earmark.voiceprints import (
    Calibration,
    Comparisons,
    SpeechSpan,
    Voiceprint,
    VoiceprintExtractor,
    fit_calibration,
    fit_telephone,
)

CORPORA = {
    "ls": "LibriSpeech (CC BY 4.0)",
    "so": "speechocean762 (CC BY 4.0)",
    "cc": "council meetings of the speakerbox test data (MIT)",
}
CUTS = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.5), (1.5, 0.0), (2.0, 0.0), (3.0, 0.0))  # s, from s on
SEVERAL = (2, 2, 3, 3, 4, 4)  # recordings together
HALF_S = 0.7  # of 0.3 to 2.0 tried; the cost is flat around it
STRANGERS = 200_000  # comparisons of two people per corpus
CONDITIONS = {"microphones": 0.5, "one telephone": 0.2, "telephones": 0.3}  # and their weights
LENGTHS = (0.7, 1.3, 2.5, 4.0, 8.0)  # s, between which comparisons weigh the same
LEAST = 20  # comparisons that a group of a corpus, condition and lengths needs to count
BAND_HZ = (300.0, 3400.0)

Double = NDArray[np.float64]
Int = NDArray[np.int64]
Spans = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A voiceprint, of which ``files`` of a person, and whether it went over a telephone."""

    person: str
    files: frozenset[int]
    voiceprint: Voiceprint
    telephone: bool
    whole: bool  # one recording, not cut


def main() -> int:
    """Train, report and write; return the exit status."""
    settings = get_settings()
    if settings.eval_dir is None:
        print("Set EARMARK_EVAL_DIR to the folder that holds verification/.", file=sys.stderr)
        return 2
    samples = gather(settings.eval_dir / "verification", settings)
    comparisons, answers = compare(samples)
    telephone = np.array([sample.telephone for sample in samples])

    def fit(chosen: Comparisons) -> Calibration:
        used = np.union1d(chosen.first, chosen.second)
        return fit_calibration(
            chosen,
            half_s=HALF_S,
            telephone=fit_telephone(chosen.vectors[used], telephone[used]),
            provenance=provenance(samples, chosen),
        )

    fitted = fit(comparisons)
    report(samples, comparisons, answers, fitted, left_out(comparisons, answers, fit))
    target = Path(earmark.voiceprints.__file__).with_name("calibration.json")
    target.write_text(fitted.to_json(), encoding="utf-8")
    print(f"wrote {target.name}: {target.stat().st_size} bytes")
    return 0


def gather(folder: Path, settings: Settings) -> list[Sample]:
    """Voiceprints of everybody in ``folder`` whose corpus may ship."""
    people = sorted(path for path in folder.iterdir() if path.name.split("_")[0] in CORPORA)
    random = np.random.default_rng(0)
    samples = []
    with Diarizer(settings=settings) as diarizer, VoiceprintExtractor(settings) as extractor:
        for person in people:
            sound, spans = spoken(person, diarizer)
            asked = dict(portions(spans, random))
            for telephone in (False, True):
                heard = over_telephone(sound) if telephone else sound
                with open_audio(wav(heard), settings=settings) as audio:
                    made = extractor.extract(
                        audio,
                        {
                            name: [SpeechSpan(start=start, end=end) for start, end in part]
                            for name, (_, part) in asked.items()
                        },
                    )
                samples += [
                    Sample(
                        person=person.name,
                        files=asked[name][0],
                        voiceprint=voiceprint,
                        telephone=telephone,
                        whole=name.startswith("whole"),
                    )
                    for name, voiceprint in made.items()
                ]
            print(f"{person.name}: {len(samples)} voiceprints", flush=True)
    return samples


def spoken(person: Path, diarizer: Diarizer) -> tuple[Double, list[Spans]]:
    """All of a person's recordings in a row, and where in it each has speech, in seconds."""
    sounds, spans, begin = [], [], 0.0
    for path in sorted(person.glob("*.flac")):
        sound = read_audio(path)[0]
        turns = diarizer.diarize(path).turns
        talk = {turn.speaker: 0.0 for turn in turns}
        for turn in turns:
            talk[turn.speaker] += turn.duration
        end = len(sound) / SAMPLE_RATE
        own = [turn for turn in turns if turn.speaker == max(talk, key=lambda each: talk[each])]
        spans.append([(begin + turn.start, begin + min(turn.end, end)) for turn in own])
        sounds.append(sound.astype(np.float64))
        begin += end
    return np.concatenate(sounds), spans


def portions(
    spans: list[Spans], random: np.random.Generator
) -> Iterator[tuple[str, tuple[frozenset[int], Spans]]]:
    """What voiceprints are made of: a name, which files, and which stretches."""
    files = [i for i, own in enumerate(spans) if own]
    for i in files:
        yield f"whole {i}", (frozenset([i]), spans[i])
        for seconds, start in CUTS:
            part = cut(spans[i], seconds, start)
            if sum(b - a for a, b in part) > 0.9 * seconds:
                yield f"cut {i} {seconds} {start}", (frozenset([i]), part)
    for number, size in enumerate(SEVERAL):
        if len(files) > size:
            chosen = sorted(random.choice(files, size, replace=False).tolist())
            part = [span for i in chosen for span in spans[i]]
            yield f"several {number}", (frozenset(chosen), part)


def cut(spans: Spans, seconds: float, start: float) -> Spans:
    """The ``seconds`` of speech that come after ``start`` seconds of it."""
    part = []
    for a, b in spans:
        begin = min(a + start, b)
        start -= begin - a
        end = min(b, begin + seconds)
        seconds -= end - begin
        if end > begin:
            part.append((begin, end))
    return part


def over_telephone(sound: Double) -> Double:
    """The sound at 8 kHz, 300 to 3400 Hz, in 8-bit μ-law, and back at 16 kHz."""
    length = len(sound) // 2 * 2
    spectrum = np.fft.rfft(sound[:length])
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    spectrum[(hertz < BAND_HZ[0]) | (hertz > BAND_HZ[1])] = 0
    narrow = np.fft.irfft(spectrum, length)[::2]
    narrow *= 0.5 / np.abs(narrow).max()
    code = np.rint(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    decoded = np.sign(code) * (256 ** np.abs(code) - 1) / 255
    wide = np.zeros(length // 2 + 1, np.complex128)
    half = np.fft.rfft(decoded)
    wide[: len(half) - 1] = 2 * half[:-1]
    return np.fft.irfft(wide, length)


def wav(sound: Double) -> bytes:
    """A WAV file of 16-bit samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def compare(samples: Sequence[Sample]) -> tuple[Comparisons, Trials]:
    """Pairs within a corpus that share no recording: all of one person, some of two."""
    names = sorted({sample.person for sample in samples})
    people = np.array([names.index(sample.person) for sample in samples])
    random = np.random.default_rng(0)
    pairs = []
    for corpus in CORPORA:
        own = np.flatnonzero([sample.person.startswith(f"{corpus}_") for sample in samples])
        for person in np.unique(people[own]):
            theirs = own[people[own] == person].tolist()
            pairs += [
                (a, b)
                for a, b in combinations(theirs, 2)
                if not samples[a].files & samples[b].files
            ]
        drawn = random.choice(own, (STRANGERS, 2))
        pairs += drawn[people[drawn[:, 0]] != people[drawn[:, 1]]].tolist()
    first, second = np.array(pairs, np.int64).T
    same = people[first] == people[second]
    comparisons = Comparisons(
        vectors=np.stack([sample.voiceprint.vector for sample in samples]),
        net_speech_s=np.array([sample.voiceprint.net_speech_s for sample in samples]),
        first=first,
        second=second,
        same=same,
        weight=weights(samples, first, second, same),
        group=corpora(samples)[first] * len(CONDITIONS) + conditions(samples, first, second),
    )
    return comparisons, Trials(same=same, first=people[first], second=people[second])


def weights(samples: Sequence[Sample], first: Int, second: Int, same: NDArray[np.bool_]) -> Double:
    """Each corpus weighs the same, each condition as `CONDITIONS` says, each length the same."""
    corpus = corpora(samples)
    length = np.searchsorted(LENGTHS, [sample.voiceprint.net_speech_s for sample in samples])
    lengths = np.sort([length[first], length[second]], axis=0)
    kind = conditions(samples, first, second)
    group = np.ravel_multi_index(
        (corpus[first], kind, lengths[0], lengths[1], same.astype(int)),
        (len(CORPORA), len(CONDITIONS), len(LENGTHS) + 1, len(LENGTHS) + 1, 2),
    )
    _, inverse, count = np.unique(group, return_inverse=True, return_counts=True)
    share = np.array(list(CONDITIONS.values()))[kind]
    return np.where(count[inverse] >= LEAST, share / count[inverse], 0.0)


def corpora(samples: Sequence[Sample]) -> Int:
    """The number of each sample's corpus in `CORPORA`."""
    return np.array([list(CORPORA).index(sample.person.split("_")[0]) for sample in samples])


def conditions(samples: Sequence[Sample], first: Int, second: Int) -> Int:
    """On how many sides there is a telephone: 0, 1 or 2."""
    telephone = np.array([sample.telephone for sample in samples]).astype(np.int64)
    return telephone[first] + telephone[second]


def provenance(samples: Sequence[Sample], comparisons: Comparisons) -> dict[str, object]:
    """What the calibration is made from."""
    return {
        "command": "scripts/train_calibration.py",
        "data": list(CORPORA.values()),
        "telephone": "the same recordings, 300 to 3400 Hz, 8-bit μ-law",
        "people": len({sample.person for sample in samples}),
        "voiceprints": len(samples),
        "same": int(comparisons.same.sum()),
        "other": int((~comparisons.same).sum()),
    }


def report(
    samples: Sequence[Sample],
    comparisons: Comparisons,
    answers: Trials,
    fitted: Calibration,
    unseen: Double,
) -> None:
    """Print what the scores are worth by corpus and condition, for people left out of the fit."""
    llr = comparisons.llr(fitted)
    kind = conditions(samples, comparisons.first, comparisons.second)
    corpus = corpora(samples)[comparisons.first]
    whole = np.array([sample.whole for sample in samples])
    whole = whole[comparisons.first] & whole[comparisons.second]
    threshold = fitted.threshold(0.01)
    print("whole recordings           EER %   Cllr  left out    min   strangers at 1 %: whole, all")
    for number, condition in enumerate(CONDITIONS):
        for place, name in enumerate(CORPORA):
            every = (corpus == place) & (kind == number)
            here = every & whole
            same = answers.same[here]
            roc = Roc.of(unseen[here], same)
            passing = [
                100 * (unseen[chosen & ~answers.same] >= threshold).mean()
                for chosen in (here, every)
            ]
            print(
                f"{name} {condition:20} {100 * roc.equal_error_rate:8.2f}"
                f" {cllr(llr[here], same):7.4f} {cllr(unseen[here], same):8.4f}"
                f" {roc.min_cllr:8.4f} {passing[0]:10.2f} {passing[1]:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
