"""From pieces to blocks: the chosen range and channels, float32, finite, at 16 kHz."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio._findings import Findings
from earmark.audio._limits import BLOCK_SECONDS, BLOCK_VALUES, SAMPLE_RATE
from earmark.audio._options import Selection
from earmark.audio._samples import to_float
from earmark.audio._timeline import Piece
from earmark.errors import AudioTooLarge

__all__ = ["cut", "gather", "resample", "sound"]

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Float32 samples [channels, n] at ``rate`` Hz; ``position`` counts samples since the start."""

    samples: Float
    rate: int
    position: int
    clean: bool
    """Made from integers: finite and within [-1, 1] without looking."""


def cut(
    pieces: Iterable[Piece], *, start: float, end: float | None, budget_s: float, name: str
) -> Iterator[Piece]:
    """Only the samples from ``start`` to ``end`` (seconds, to the nearest sample).

    Nothing past ``end`` is decoded.
    Raises :class:`AudioTooLarge` at the first sample past ``budget_s``.
    """
    for piece in pieces:
        first = piece.position
        last = first + piece.samples.shape[1]
        begin = max(first, round(start * piece.rate))
        stop = last if end is None else min(last, round(end * piece.rate))
        if min(stop, last) > round(budget_s * piece.rate):
            raise AudioTooLarge(
                f"{name} is longer than the {budget_s:g} s accepted "
                f"({min(stop, last) / piece.rate:.2f} s so far): "
                "choose a part with start and end, or raise EARMARK_MAX_DURATION_S."
            )
        if begin == first and stop == last:
            yield piece
        elif begin < stop:
            view = piece.samples[:, begin - first : stop - first]
            yield Piece(samples=view, rate=piece.rate, position=begin)
        if end is not None and last >= round(end * piece.rate):
            return


def gather(pieces: Iterable[Piece], selection: Selection, findings: Findings) -> Iterator[Block]:
    """Put pieces together to blocks of at most 5 s, converted to float32.

    A change of rate or channel count starts a new block; a change that takes away chosen channels
    is damage, and ends the stream.
    """
    buffer = np.empty((0, 0), np.float32)
    filled = rate = position = 0
    clean = True
    for piece in pieces:
        if not selection.fits(piece.samples.shape[0]):
            findings.damaged(
                f"the number of channels changes to {piece.samples.shape[0]}",
                piece.position / piece.rate,
            )
            break
        chosen = selection.rows(piece.samples)
        done = 0
        while done < chosen.shape[1]:
            if filled and (piece.rate != rate or chosen.shape[0] != buffer.shape[0]):
                yield _block(buffer, filled, rate, position, clean)
                filled = 0
            if not filled:
                rate, position, clean = piece.rate, piece.position + done, True
                buffer = np.empty((chosen.shape[0], _room(rate, chosen.shape[0])), np.float32)
            count = min(chosen.shape[1] - done, buffer.shape[1] - filled)
            to_float(chosen[:, done : done + count], buffer[:, filled : filled + count])
            clean = clean and chosen.dtype.kind != "f"
            filled += count
            done += count
            if filled == buffer.shape[1]:
                yield _block(buffer, filled, rate, position, clean)
                filled = 0
    if filled:
        yield _block(buffer, filled, rate, position, clean)


def sound(blocks: Iterable[Block], findings: Findings) -> Iterator[Block]:
    """The same blocks, in place: what is not finite is a finding, what is beyond 1 is clipped."""
    for block in blocks:
        if not block.clean:
            finite = np.isfinite(block.samples)
            if not finite.all():
                bad = ~finite
                first = int(np.argmax(bad.any(axis=0)))
                count = int(np.count_nonzero(bad))
                findings.not_finite(count, (block.position + first) / block.rate)
                block.samples[bad] = 0.0
            np.clip(block.samples, -1.0, 1.0, out=block.samples)
        yield block


def resample(blocks: Iterable[Block], selection: Selection) -> Iterator[Float]:
    """Mix if asked, and bring to 16 kHz (soxr HQ); audio that is at 16 kHz is not touched."""
    converter: Any = None
    rate = channels = 0
    for block in blocks:
        samples = selection.mixed(block.samples)
        if block.rate != rate:
            if converter is not None:
                yield from _converted(converter, samples[:, :0], last=True)
            rate, channels, converter = block.rate, len(samples), None
            if rate != SAMPLE_RATE:
                import soxr

                converter = soxr.ResampleStream(rate, SAMPLE_RATE, channels, quality="HQ")
        if converter is None:
            yield samples
        else:
            yield from _converted(converter, samples, last=False)
    if converter is not None:
        yield from _converted(converter, np.empty((channels, 0), np.float32), last=True)


def _converted(converter: Any, samples: Float, *, last: bool) -> Iterator[Float]:
    out = converter.resample_chunk(np.ascontiguousarray(samples.T), last=last).T
    if out.shape[1]:
        # A band-limited signal may pass its samples' peaks between them.
        yield np.ascontiguousarray(np.clip(out, -1.0, 1.0))


def _room(rate: int, channels: int) -> int:
    return max(1024, min(BLOCK_SECONDS * rate, BLOCK_VALUES // channels))


def _block(buffer: Float, filled: int, rate: int, position: int, clean: bool) -> Block:
    samples = buffer if filled == buffer.shape[1] else np.ascontiguousarray(buffer[:, :filled])
    return Block(samples=samples, rate=rate, position=position, clean=clean)
