"""Files of which only some parts have come, or nobody knows yet whether all shards take them: on the shelf, in parts.

An upload is named by the checksum of the whole file, so sending a part again is harmless, and so is beginning again.
What lies on the shelf has a name that nothing had before: a snapshot may need what was there, or may be about to have
it removed.

Checked by: tests/payments/processing/test_submission.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.core.codec import checksum, encode_value
from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.processing.limits import FILE_BYTES_MAX, PART_BYTES_MAX


class _Saved(msgspec.Struct, frozen=True):
    came: int
    parts: list[tuple[bytes, list[tuple[int, int]]]]


class Uploads:
    """Parts by upload, numbered as they came, the upload that began first first.

    Past `files_max` that one makes room for another.
    """

    def __init__(self, shelf: Shelf, name: str, *, files_max: int | None) -> None:
        self._shelf = shelf
        self._name = name
        self._files_max = files_max
        self._parts: dict[bytes, dict[int, int]] = {}
        self._came = 0

    def add(self, upload: bytes, part: int, content: bytes) -> str:
        """Keep a part; return what is against it, or nothing."""
        if len(upload) != len(checksum()):
            return f"an upload is named by the 16-byte checksum of the whole file, not by {len(upload)} bytes"
        if not content or len(content) > PART_BYTES_MAX:
            return f"a part has 1 to {PART_BYTES_MAX} bytes, not {len(content)}"
        if not 0 <= part < FILE_BYTES_MAX // PART_BYTES_MAX:
            return f"a file has parts 0 to {FILE_BYTES_MAX // PART_BYTES_MAX - 1}, not {part}"
        parts = self._parts.setdefault(upload, {})
        if self._files_max is not None and len(self._parts) > self._files_max:
            del self._parts[next(iter(self._parts))]
        self._shelf.put(self._blob(self._came), content)
        parts[part] = self._came
        self._came += 1
        return ""

    def content(self, upload: bytes, parts: int) -> bytes:
        """What has come of the first parts, joined: whether it is the whole file, its checksum says."""
        known = sorted(self._parts.get(upload, {}))
        return b"".join(self.part(upload, part) for part in known if part < parts)

    def part(self, upload: bytes, part: int) -> bytes:
        """One part that has come."""
        return bytes(self._shelf.get(self._blob(self._parts[upload][part])))

    def forget(self, upload: bytes) -> None:
        """Let go of an upload's parts."""
        self._parts.pop(upload, None)

    def blobs(self) -> list[str]:
        """The names of what lies on the shelf."""
        return [self._blob(number) for parts in self._parts.values() for number in parts.values()]

    def save(self) -> dict[str, bytes]:
        """The whole of it, but for what lies on the shelf; in order, since the first makes room."""
        saved = _Saved(self._came, [(upload, list(parts.items())) for upload, parts in self._parts.items()])
        return {self._name: encode_value(saved)}

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        saved = msgspec.msgpack.decode(parts[self._name], type=_Saved)
        self._came, self._parts = saved.came, {upload: dict(numbers) for upload, numbers in saved.parts}

    def _blob(self, number: int) -> str:
        return f"ach-{self._name}-{number:012}"
