"""Messages with something wrong: bytes and elements that are changed, left out, repeated or moved. Not a test."""

from hypothesis import strategies as st

PIECES = (
    *(b"<", b">", b"</", b"&", b"&amp;", b"&lt;", b'"', b"]]>", b"<![CDATA[", b"<!--", b"-->", b"<!DOCTYPE a>"),
    *(b"<a/>", b"<?a?>", b"xmlns=", b"xmlns:p='urn:p'", b"p:", b"Ccy=", b" ", b"\n", b"0", b"-", b"2026"),
    *(b"\x00", b"\xff"),
)


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """The content after one to four changes."""
    for _ in range(draw(st.integers(1, 4))):
        lines = content.split(b"\n")
        line = draw(st.integers(0, len(lines) - 1))
        place = draw(st.integers(0, len(content)))
        match draw(st.integers(0, 5)):
            case 0:
                content = content[:place] + draw(st.sampled_from(PIECES)) + content[place:]
            case 1:
                content = content[:place] + content[place + draw(st.integers(1, 40)) :]
            case 2:
                content = content[:place] + draw(st.binary(min_size=1, max_size=4)) + content[place + 1 :]
            case 3:
                del lines[line]
                content = b"\n".join(lines)
            case 4:
                lines.insert(draw(st.integers(0, len(lines))), lines[line])
                content = b"\n".join(lines)
            case _:
                other = draw(st.integers(0, len(lines) - 1))
                lines[line], lines[other] = lines[other], lines[line]
                content = b"\n".join(lines)
    return content
