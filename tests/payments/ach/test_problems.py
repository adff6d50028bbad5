"""Every code has a sentence, and some test meets it."""

from pathlib import Path

from ropewalk.systems.payments.ach import Code

FOLDER = Path(__file__).parent


def test_every_code_has_its_own_sentence() -> None:
    sentences = [code.sentence for code in Code]
    assert len(set(sentences)) == len(sentences)
    assert [code for code in Code if not code.sentence.endswith(".")] == []


def test_every_code_is_met_in_a_story_or_a_test() -> None:
    told = " ".join(path.read_text() for path in FOLDER.glob("stories/*.txt")).replace("]", " ").split()
    tests = [*FOLDER.glob("test_*.py"), FOLDER.parents[1] / "cli" / "test_ach_validate.py"]
    asserted = " ".join(path.read_text() for path in tests)
    unmet = [code for code in Code if code not in told and f"Code.{code.name}" not in asserted]
    assert [code for code in unmet if f'"{code}"' not in asserted] == []
