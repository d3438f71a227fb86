"""The words by which reports are told apart: without dates, times, numbers and scrub marks.

    compared_words("Compared to ___, 5 mm nodule.")                   # compared, to, nodule
    compared_words("Compared to March 4, 2019: 3.4 x 2.1 cm nodule")  # the same

Copies of one report differ in when it was read and in what was scrubbed; what they say of the
patient stands in the other words. Left out, with the words that belong to them:

- scrub marks: `___`, `XXXX`, `[**...**]`; in what follows they count as numbers (`___ mm`);
- numbers and chains of them, with units: 5, 3.4 x 2.1 cm, 3-4 mm, #3, "1.", 5th, 10:45 AM,
  1045 hours, 2019-03-04, 3/4/2019, 04.03.19;
- months beside a number, or in full ("may" and short forms only beside one); numbers in words from
  two and third to twelve and twelfth. "One", "first" and "second" say other things too and stay.

They leave no word in their place, since a mark may stand beside what another copy lacks. A letter
joined to digits is a name and stays: T12, L5, C7. docs/near_copies.md has the figures for both.
"""

from __future__ import annotations

import re

from radpriv.benchmark.datasets.texts import normalise

_MARK = re.compile(r"_{2,}|(?<![^\W\d_])x{3,}|\[\*\*[^\[\]]*\]")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_TH = r"(?:st|nd|rd|th)?"
_GAP = r"[\s,.-]{0,3}"
# A month beside a number; the number alone is left, in one of the groups.
_DATE = re.compile(
    rf"(?<!\w)(\d{{1,4}}){_TH}{_GAP}(?:of )?{_MONTH}(?!\w)"
    rf"|(?<!\w){_MONTH}{_GAP}(\d{{1,4}}){_TH}(?!\w)"
    rf"|(?<!\w)(\d{{1,2}}){_TH}{_GAP}may{_GAP}\d{{4}}(?!\w)"
    rf"|(?<!\w)may ([1-9]\d{{0,3}}){_TH}(?!\w)"
)
_UNIT = (
    r"(?:st|nd|rd|th|mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?|ml|cc|hu|mgy|kg|mg|%|percent"
    r"|inch(?:es)?|[ap]\.?m(?!\w)\.?|hours|hrs?|y/?o)[23²³]?"
)
_NUMBER = rf"\d+(?:[.,:/]\d+)*(?:[ -]?{_UNIT})?"
_NUMBERS = re.compile(
    rf"(?<!\w){_NUMBER}(?:(?: ?[x×*/-] ?| (?:to|by) |t){_NUMBER})*(?!\w)"  # t: 2019-03-04T10:45
)
_IN_WORDS = re.compile(
    r"two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|january|february|march|april|june|july|august|september|october|november|december"
)


def compared_words(text: str) -> list[str]:
    """In lower case, letters and digits only (`normalise`), in the order of the text."""
    text = " ".join(_MARK.sub(" 0 ", text.lower()).split())
    if any(c.isdecimal() for c in text):
        text = _NUMBERS.sub(" ", _DATE.sub(r" \1\2\3\4 ", text))
    return [word for word in normalise(text).split() if not _IN_WORDS.fullmatch(word)]
