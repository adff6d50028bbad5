"""Writes the files of this folder again: `python examples/ach/write.py`. They are the same bytes every time."""

from pathlib import Path

from ropewalk.systems.payments.ach.samples import SAMPLES

for name, sample in SAMPLES.items():
    (Path(__file__).parent / name).write_bytes(sample())
