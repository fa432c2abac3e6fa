"""Words as search counts them: what is found by what."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdesk.terms import spans, terms

ALPHABETS = (
    "aBcdEf XyZ 019 _-./:'éüßøłIİıſ",
    "ÄnderungDatenbank ",
    "приветЁж ",
    "كتاب والمدرسة ًّـ",
    "東京都の한국어ไทยข้า ",
    "हिन्दी है। ",
    "e\u0301\u0308\u200c\u200d\u00ad🎉👩‍💻\u202e\u2067½①№ﬁ",
)
TEXTS = st.text(
    st.one_of(
        *(st.sampled_from(each) for each in ALPHABETS), st.characters(exclude_categories=["Cs"])
    ),
    max_size=200,
)


def found_by(text: str, query: str) -> bool:
    """Tell whether every term of a question is one of a text, as all of its words would be."""
    return set(terms(query)) <= set(terms(text))


# identifiers


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("the retryPolicy of the client", "retry policy"),
        ("the retryPolicy of the client", "retrypolicy"),
        ("set retry_policy to 3", "retry policy"),
        ("set RETRY_POLICY to 3", "retry-policy"),
        ("class HTMLParserError", "html parser errors"),
        ("call parseJSON2Dict", "parse json 2 dict"),
        ("see src/app/main.py", "main.py"),
        ("see src/app/main.py", "app main"),
        (r"C:\Users\ana\notes.txt", "notes.txt"),
        ("error E0308 again", "E0308"),
        ("error E0308 again", "e0308"),
        ("error E0308 again", "0308"),
        ("ERR_CONNECTION_REFUSED in the log", "connection refused"),
        ("upgrade to v2.14.1", "2.14.1"),
        ("upgrade to v2.14.1", "v2.14.1"),
        ("https://docs.example.org/guide/install?page=2#top", "docs.example.org"),
        ("https://docs.example.org/guide/install?page=2#top", "install guide"),
        ("mail ana.lopez@example.org", "lopez"),
        ("10.0.42.7:8080 answers", "10.0.42.7"),
    ],
)
def test_identifiers_are_found_by_their_parts(text: str, query: str) -> None:
    """Names in code, paths, versions, error codes and addresses need not be spelt out."""
    assert found_by(text, query)


def test_a_name_in_code_is_told_from_another_by_its_whole() -> None:
    """Besides its parts an identifier is one word."""
    assert terms("retryPolicy") == ("retrypolici", "retri", "polici")
    assert "retrypolici" not in terms("retry the policy")


@pytest.mark.parametrize("length", [6, 7, 8, 9, 10, 11, 12, 40])
def test_a_hash_is_found_by_its_beginning(length: int) -> None:
    """Six to twelve characters name a commit, and so does all of it."""
    commit = "4F0c2b9ad1e37a5566c0d98b1fe2a7730c4d5e6f"
    assert commit[:length].casefold() in terms(f"fixed in {commit}")
    assert terms(commit[:length])[0] in terms(commit)


def test_a_hash_is_not_found_by_another_beginning() -> None:
    """A beginning that differs in one character is no term of it."""
    assert terms("4f0c2b8")[0] not in terms("4f0c2b9ad1e37a5566c0d98b1fe2a7730c4d5e6f")


# languages


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Die Datenbankmigration läuft", "Datenbank"),
        ("Die Datenbankmigration läuft", "Migration"),
        ("Zahnarzttermin am Montag", "Termin"),
        ("Zahnarzttermin am Montag", "zahnarzt"),
        ("Krankenversicherungsnummer", "Nummer"),
        ("лекарственныйпрепарат", "препарат"),
    ],
)
def test_compounds_are_found_by_their_halves(text: str, query: str) -> None:
    """Where words are written as one, each is found, without a list of any language's words."""
    assert found_by(text, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Café Zoë", "cafe zoe"),
        ("crème brûlée", "CREME BRULEE"),
        ("Cafe\u0301", "café"),
        ("Straße", "STRASSE"),
        ("ＦＵＬＬ width", "full"),
        ("ﬁnally", "finally"),
        ("İstanbul", "istanbul"),
        ("Ёлка", "елка"),
        ("ΑΘΗΝΑ", "Αθήνα"),
        ("مُحَمَّد", "محمد"),
        ("كتـــاب", "كتاب"),
        ("Daten\u00adbank", "Datenbank"),
        ("می\u200cخواهم", "میخواهم"),
        ("デ\u30fcタ ﾃﾞｰﾀ", "データ"),
        (unicodedata.normalize("NFD", "한국어"), "한국어"),
    ],
)
def test_accents_case_and_forms_do_not_count(text: str, query: str) -> None:
    """What looks alike, or differs by accents alone, is the same."""
    assert found_by(text, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("she was running", "run"),
        ("two databases", "database"),
        ("книга лежит на столе", "книги"),
        ("встреча в понедельник", "встречи"),
        ("дома, в квартире", "квартира"),
        ("المدرسة قريبة", "مدرسة"),
        ("الكتاب جديد", "كتاب"),
    ],
)
def test_words_are_found_in_their_other_forms(text: str, query: str) -> None:
    """English and Russian endings, the Arabic article."""
    assert found_by(text, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("私は東京都に住んでいます", "東京"),
        ("我喜欢喝乌龙茶", "乌龙茶"),
        ("서울에서 회의가 있습니다", "회의"),
        ("นัดหมอฟันวันจันทร์", "หมอฟัน"),
        ("ミーティングは3時", "ミーティング"),
    ],
)
def test_scripts_without_spaces_are_found_by_pairs(text: str, query: str) -> None:
    """Any two characters in a row are a term, so no word needs to be parted."""
    assert found_by(text, query)


def test_runs_of_unspaced_scripts_are_pairs() -> None:
    """A run is its pairs; a single character stands for itself; other words end the run."""
    assert terms("東京都 北 v2京都") == ("東京", "京都", "北", "v2", "2", "京都")


def test_a_sentence_end_clings_to_no_word() -> None:
    """The danda of Devanagari is no letter."""
    assert found_by("यह किताब है।", "है")


# any text


@given(TEXTS)
def test_every_term_is_one_word_of_the_index(text: str) -> None:
    """Terms have no spaces and are not empty: search reads them with spaces between."""
    made = terms(text)
    assert " ".join(made).split() == list(made)
    assert all(made)


@given(TEXTS, TEXTS)
def test_a_text_has_the_terms_of_its_words(first: str, second: str) -> None:
    """Words keep their terms in any company, in their order."""
    assert terms(f"{first} {second}") == terms(first) + terms(second)


@given(TEXTS)
def test_folding_is_done_once_and_for_all(text: str) -> None:
    """Composed or taken apart, a text has the same terms."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert terms(unicodedata.normalize(form, text)) == terms(text)


@given(TEXTS, TEXTS)
def test_spans_lie_in_order_inside_the_text(text: str, wanted: str) -> None:
    """Spans are not empty, do not overlap or touch, and what they hold has a wanted term."""
    marked = spans(text, terms(wanted))
    assert all(0 <= start < end <= len(text) for start, end in marked)
    assert all(before[1] < after[0] for before, after in pairwise(marked))
    for start, end in marked:
        assert not set(terms(text[start:end])).isdisjoint(terms(wanted))


@given(st.lists(st.text("abcdéßxyzABC0123", min_size=1, max_size=20), min_size=1, max_size=12))
def test_spans_cover_every_wanted_word(words: list[str]) -> None:
    """Every word that is equal to one that is looked for is marked, as a whole."""
    marked = spans(" ".join(words), terms(words[0]))
    start = 0
    for word in words:
        if word == words[0]:
            assert any(first <= start and start + len(word) <= end for first, end in marked)
        start += len(word) + 1


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("Die Zahnarzttermine stehen", "Termin", ["Zahnarzttermine"]),
        ("use retryPolicy, not Policy", "policy", ["retryPolicy", "Policy"]),
        ("私は東京都に住んで", "東京都", ["東京都"]),
        ("Cafe\u0301 and café", "CAFE", ["Cafe\u0301", "café"]),
        ("nothing of it", "absent", []),
        ("Daten\u00adbank", "datenbank", ["Daten\u00adbank"]),
        ("می\u200cخواهم", "میخواهم", ["می\u200cخواهم"]),
    ],
)
def test_the_words_that_match_are_marked(text: str, query: str, marked: list[str]) -> None:
    """A span holds the whole word as it is written, in a run without spaces the pairs."""
    assert [text[start:end] for start, end in spans(text, terms(query))] == marked


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "aB" * 50_000,
        "1f" * 50_000,
        "東京" * 50_000,
        "\u0301" * 100_000,
        "e\u0301" * 50_000,
        "🎉" * 50_000,
        "\u202eabc" * 10_000,
        "_." * 50_000,
    ],
)
def test_a_text_without_spaces_is_no_trap(text: str) -> None:
    """A blob has no more than one term for each of its characters, and its spans are found too."""
    made = terms(text)
    assert len(made) <= len(text)
    marked = spans(text, made[:1])
    assert bool(marked) == bool(made)
    assert sum(end - start for start, end in marked) <= len(text)


def test_a_long_compound_stays_small() -> None:
    """Letters without end are no compound: the index does not hold each way to cut them."""
    for letters in (60, 100, 5000):
        assert sum(map(len, terms("acgt" * (letters // 4)))) <= 50 * letters
