"""Train what gender is told from (`earmark.traits._gender`) on adults whose gender is known.

    EARMARK_EVAL_DIR=... python scripts/train_gender.py

Takes the recordings of ``EARMARK_EVAL_DIR/gender.csv`` of people of 18 and more, the excerpts of
AMI meetings (whose names of people tell their gender) and LibriSpeech's readers in conversations
put together of their recordings, as they are, at 8 kHz, and as a telephone would carry them, and
fits logistic layers by Newton's method: one to the pitch and the embedding of what a stream's last
seconds hold, and one to voiceprints. Those whose licences let what is trained on them ship are
fitted to; how far the answers are right is told of people who were left out, and of the other
corpora. Writes ``gender.json``. Deterministic.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

import earmark.traits
from earmark.audio import SAMPLE_RATE, open_audio, read_audio
from earmark.diarization import Diarization, Turn
from earmark.models import answer_alone
from earmark.settings import Settings, get_settings
from earmark.traits import TraitModels
from earmark.traits._answers import shares
from earmark.traits._gender import gender_inputs, voiceprint_inputs
from earmark.traits._sounds import STEP, frames_in
from earmark.traits._voice import Speech, hear_speech, together
from earmark.voiceprints import SpeechSpan, VoiceprintExtractor

CORPORA = {
    "ls": "LibriSpeech (CC BY 4.0)",
    "so": "speechocean762 (CC BY 4.0)",
    "cc": "council meetings of the speakerbox test data (MIT)",
    "ami": "AMI meetings (CC BY 4.0)",
}
READERS = {
    **dict.fromkeys(("ls_19", "ls_367", "ls_3080", "ls_6000"), True),
    **dict.fromkeys(("ls_26", "ls_27", "ls_2033", "ls_3830", "ls_6081"), False),
}
"""Whether readers who are not in gender.csv are women: LibriSpeech's SPEAKERS.TXT."""
MISTAKEN = {"ast_it": False}
"""The voice of Debian's it_IT_m_Carlo, whom gender.csv takes for a woman."""
ADULT = 18
READ, PASSAGES = 80_000, 5  # samples of a passage of a conversation, and how many of a reader
STRETCH, PAST = 16_384, 8_192  # samples, as in a stream
STRETCHES = (1, 2, 3, 5)  # together
LEARNED_S = 1.0  # of speech, from which on an example is learned from
TWO_S = (1.4, 2.1)  # seconds of speech: what is left of two stretches
FOLDS = 8
RIDGE_OF_PITCH = 0.3
BAND_HZ = (300.0, 3400.0)
DIGITS = 5

Double = NDArray[np.float64]
Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """What a layer sees of a voice."""

    speaker: str
    female: bool
    seconds: float
    sound: str
    inputs: Float

    @property
    def corpus(self) -> str:
        """The key of `CORPORA`, or another."""
        return self.speaker.split("_")[0]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a layer is fitted, and how its answers are read.

    The first ``pitches`` inputs are of the pitch. ``ridge`` is on weights of standard inputs: with
    less, corpora are learned beside gender, with more, little but the pitch counts. The answer is
    unknown below ``unknown_below`` and within ``most``, natural log odds.
    """

    pitches: int
    ridge: float
    unknown_below: float
    most: float


SHAPES = {
    "sound": Shape(pitches=3, ridge=20.0, unknown_below=1.2, most=7.0),
    # Of voices unlike those of the training it is surer than it is right: it may be less sure.
    "voiceprint": Shape(pitches=0, ridge=100.0, unknown_below=1.5, most=3.0),
}


def main() -> int:
    """Train, report and write; return the exit status."""
    settings = get_settings()
    if settings.eval_dir is None:
        print("Set EARMARK_EVAL_DIR to the folder that holds gender.csv.", file=sys.stderr)
        return 2
    sound, voiceprints = gather(settings.eval_dir, settings)
    document: dict[str, Any] = {"provenance": provenance(sound)}
    for name, examples in (("sound", sound), ("voiceprint", voiceprints)):
        print(f"\n{name}: {len(examples)} examples")
        document[name] = train(examples, SHAPES[name])
    target = Path(earmark.traits.__file__).with_name("gender.json")
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {target.name}: {target.stat().st_size} bytes")
    return 0


def gather(folder: Path, settings: Settings) -> tuple[list[Example], list[Example]]:
    """Examples of sound, and of voiceprints."""
    models = TraitModels.load(settings)
    sound: list[Example] = []
    voiceprints: list[Example] = []
    with VoiceprintExtractor(settings) as extractor:
        for speaker, female, plain in chain(
            listed(folder), in_meetings(folder), in_conversations(folder)
        ):
            for name, change in SOUNDS.items():
                heard = change(plain)
                example = partial(Example, speaker=speaker, female=female, sound=name)
                sound += [example(inputs=a, seconds=b) for a, b in pieces(models, heard)]
                with open_audio(wav(heard), settings=settings) as audio:
                    spans = [SpeechSpan(start=0.0, end=len(heard) / SAMPLE_RATE)]
                    made = extractor.extract(audio, {"voice": spans})
                voiceprints += [
                    example(inputs=voiceprint_inputs(each), seconds=each.net_speech_s)
                    for each in made.values()
                ]
    return sound, voiceprints


def listed(folder: Path) -> Iterator[tuple[str, bool, Float]]:
    """Speaker, whether a woman, and samples of each recording of gender.csv."""
    with (folder / "gender.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if float(row["age"] or ADULT) >= ADULT:
                female = MISTAKEN.get(row["speaker"], row["gender"] == "F")
                yield row["speaker"], female, read_audio(folder / row["path"])[0]


def in_meetings(folder: Path) -> Iterator[tuple[str, bool, Float]]:
    """The same of everybody in AMI's excerpts, where they speak alone: F..., M... are names."""
    for path in sorted((folder / "diarization" / "real").glob("ami_*.rttm")):
        for speaker, alone in alone_in(path):
            if len(alone) >= SAMPLE_RATE:
                yield f"ami_{speaker}", speaker.startswith("F"), alone


def in_conversations(folder: Path) -> Iterator[tuple[str, bool, Float]]:
    """The same of `READERS`, of each where they first speak."""
    heard = set[str]()
    for path in sorted((folder / "diarization" / "sim").glob("sim*.rttm")):
        for speaker, alone in alone_in(path):
            if speaker in READERS and speaker not in heard:
                heard.add(speaker)
                for start in range(0, min(len(alone), PASSAGES * READ) - SAMPLE_RATE, READ):
                    yield speaker, READERS[speaker], alone[start : start + READ]


def alone_in(reference: Path) -> Iterator[tuple[str, Float]]:
    """Everybody in a recording and what they say while nobody else does."""
    samples = read_audio(reference.with_suffix(".flac"))[0]
    turns = Diarization.from_rttm(reference).turns
    talkers = np.zeros(len(samples), np.int64)
    for turn in turns:
        talkers[of(turn)] += 1
    for speaker in sorted({turn.speaker for turn in turns}):
        own = np.zeros(len(samples), np.bool_)
        for turn in turns:
            if turn.speaker == speaker:
                own[of(turn)] = True
        yield speaker, samples[own & (talkers == 1)]


def of(turn: Turn) -> slice:
    """The samples of a turn."""
    return slice(round(turn.start * SAMPLE_RATE), round(turn.end * SAMPLE_RATE))


def pieces(models: TraitModels, samples: Float) -> Iterator[tuple[Float, float]]:
    """Inputs and seconds of speech of stretches as a stream has them, several together."""
    heard: list[Speech | None] = []
    edges = [*range(0, len(samples), STRETCH), len(samples)]
    for start, end in pairwise(edges):
        part = samples[max(0, start - PAST) // STEP * STEP : end]
        spoken = shares(models.sounds(part))[:, 0]
        spoken[: max(0, len(spoken) - frames_in(end - start))] = 0
        heard.append(answer_alone(hear_speech(models, part, spoken), models.networks))
    for size in STRETCHES:
        for first in range(max(1, len(heard) - size + 1)):
            found = together(models, heard[first : first + size])
            if found is not None:
                yield gender_inputs(found.hertz, found.embedding), found.seconds


def train(examples: Sequence[Example], shape: Shape) -> dict[str, Any]:
    """Report on people left out, and what the layer is."""
    shipped = [each.corpus in CORPORA for each in examples]
    mine = np.array(shipped) & np.array([each.seconds > LEARNED_S for each in examples])
    own = [each for each, chosen in zip(examples, mine, strict=True) if chosen]
    people = sorted({(e.female, e.speaker) for e in examples if e.corpus in CORPORA})
    llr = np.zeros(len(examples))
    for fold in range(FOLDS):
        held = {speaker for _, speaker in people[fold::FOLDS]}
        weights = fit([each for each in own if each.speaker not in held], shape)
        for i, each in enumerate(examples):
            if each.speaker in held:
                llr[i] = weights[:-1] @ each.inputs + weights[-1]
    scale, offset = calibrate(llr[mine], own)
    weights = fit(own, shape)
    for i, each in enumerate(examples):
        if not shipped[i]:
            llr[i] = weights[:-1] @ each.inputs + weights[-1]
    llr = np.clip(scale * llr + offset, -shape.most, shape.most)
    report(examples, llr, shape.unknown_below)
    weights *= scale
    weights[-1] += offset
    return {
        "weights": [round(float(each), DIGITS) for each in weights[:-1]],
        "constant": round(float(weights[-1]), DIGITS),
        "unknown_below": shape.unknown_below,
        "most": shape.most,
    }


def importance(examples: Sequence[Example]) -> Double:
    """People of one corpus weigh the same, both genders do, and small corpora more than they are.

    The weights sum to the number of people.
    """
    speakers = np.array([each.speaker for each in examples])
    corpora = np.array([each.corpus for each in examples])
    female = np.array([each.female for each in examples])
    people, place, count = np.unique(speakers, return_inverse=True, return_counts=True)
    weight = 1.0 / count[place]
    for corpus in np.unique(corpora):
        own = corpora == corpus
        weight[own] /= np.sqrt(weight[own].sum())
    for side in (female, ~female):
        weight[side] *= len(people) / 2 / weight[side].sum()
    return np.asarray(weight)


def fit(examples: Sequence[Example], shape: Shape) -> Double:
    """Weights of the inputs and a constant [n + 1], by ridge-penalized logistic regression."""
    inputs = np.stack([each.inputs for each in examples]).astype(np.float64)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    # An embedding's numbers are of one kind.
    deviation[shape.pitches :] = deviation[shape.pitches :].mean()
    standard = np.column_stack([(inputs - mean) / deviation, np.ones(len(inputs))])
    penalty = np.full(len(mean) + 1, shape.ridge)
    penalty[: shape.pitches] = RIDGE_OF_PITCH
    penalty[-1] = 1e-6
    target = np.array([each.female for each in examples])
    found = newton(standard, target, importance(examples), penalty)
    found[:-1] /= deviation
    found[-1] -= found[:-1] @ mean
    return found


def newton(inputs: Double, target: NDArray[np.bool_], weight: Double, penalty: Double) -> Double:
    """The weights [n] that make the target likeliest, less the penalty of their squares."""
    found = np.zeros(inputs.shape[1])
    for _ in range(12):
        likely = 1 / (1 + np.exp(-inputs @ found))
        gradient = inputs.T @ (weight * (target - likely)) - penalty * found
        curvature = (inputs.T * (weight * likely * (1 - likely))) @ inputs
        curvature[np.diag_indices_from(curvature)] += penalty
        found += np.linalg.solve(curvature, gradient)
    return found


def calibrate(llr: Double, examples: Sequence[Example]) -> tuple[float, float]:
    """Scale and offset that make log odds of people left out what they say."""
    inputs = np.column_stack([llr, np.ones(len(llr))])
    target = np.array([each.female for each in examples])
    scale, offset = newton(inputs, target, importance(examples), np.full(2, 1e-6))
    return float(scale), float(offset)


def report(examples: Sequence[Example], llr: Double, unknown_below: float) -> None:
    """Print errors and unknowns by seconds of speech and by sound."""
    seconds = np.array([each.seconds for each in examples])
    shipped = np.array([each.corpus in CORPORA for each in examples])
    sounds = np.array([each.sound for each in examples])
    for title, chosen in (("other people", shipped), ("other corpora", ~shipped)):
        for low, high in ((0.5, 1.4), TWO_S, (2.1, 3.1), (3.1, 9.0)):
            for sound in SOUNDS:
                rows = np.flatnonzero(
                    chosen & (seconds >= low) & (seconds < high) & (sounds == sound)
                ).tolist()
                if rows:
                    line = figures([examples[i] for i in rows], llr[rows], unknown_below)
                    print(f"{title:14} {low:.1f}-{high:.1f} s {sound:12} {line}")


def figures(examples: Sequence[Example], llr: Double, unknown_below: float) -> str:
    """Rates of which every person counts the same, with 95 % intervals over people."""
    names = sorted({each.speaker for each in examples})
    place = np.array([names.index(each.speaker) for each in examples])
    female = np.array([each.female for each in examples])
    wrong = (llr > 0) != female
    unknown = np.abs(llr) < unknown_below
    count = np.bincount(place)
    cost = np.log1p(np.exp(np.where(female, -llr, llr))) / np.log(2)
    rates = np.stack(
        [np.bincount(place, each) / count for each in (wrong, wrong & ~unknown, unknown, cost)]
    )
    random = np.random.default_rng(0)
    drawn = rates[:, random.integers(0, len(names), (2000, len(names)))].mean(axis=2)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=1)
    text = [
        f"{title} {each:.1%} ({a:.1%} to {b:.1%})"
        for title, each, a, b in zip(
            ("forced error", "error", "unknown"), rates.mean(axis=1), low, high, strict=False
        )
    ]
    text.append(f"Cllr {rates[3].mean():.3f}")
    return f"{len(names)} people, {len(examples)} examples: " + ", ".join(text)


def provenance(examples: Sequence[Example]) -> dict[str, Any]:
    """Where the weights come from."""
    own = {each.speaker: each.female for each in examples if each.corpus in CORPORA}
    return {
        "data": [CORPORA[each] for each in CORPORA],
        "women": sum(own.values()),
        "men": len(own) - sum(own.values()),
        "command": "scripts/train_gender.py",
    }


def as_recorded(sound: Float) -> Float:
    """The sound."""
    return sound


def narrow(sound: Float) -> Float:
    """The sound at 8 kHz, and back at 16 kHz."""
    half = soxr.resample(sound, SAMPLE_RATE, SAMPLE_RATE // 2)
    return np.asarray(soxr.resample(half, SAMPLE_RATE // 2, SAMPLE_RATE), np.float32)


def over_telephone(sound: Float) -> Float:
    """The sound at 8 kHz, 300 to 3400 Hz, in 8-bit μ-law, and back at 16 kHz."""
    length = len(sound) // 2 * 2
    spectrum = np.fft.rfft(sound[:length])
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    spectrum[(hertz < BAND_HZ[0]) | (hertz > BAND_HZ[1])] = 0
    narrow = np.fft.irfft(spectrum, length)[::2]
    code = np.rint(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    decoded = np.sign(code) * (256 ** np.abs(code) - 1) / 255
    wide = np.zeros(length // 2 + 1, np.complex128)
    half = np.fft.rfft(decoded)
    wide[: len(half) - 1] = 2 * half[:-1]
    return np.fft.irfft(wide, length).astype(np.float32)


SOUNDS: dict[str, Callable[[Float], Float]] = {
    "as recorded": as_recorded,
    "8 kHz": narrow,
    "telephone": over_telephone,
}


def wav(sound: Float) -> bytes:
    """A WAV file of 16-bit samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
