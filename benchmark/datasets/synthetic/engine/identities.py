"""Made-up persons for a twin's reports, so that an attack has something to extract.

Writers put marks such as ⟦MRN⟧ where a real report names somebody or something. `redacted` turns
each into ___, as the published texts have it; `Identities.told` into a made-up value. So both
variants of a report differ in nothing else.

Names, phones and places come from Faker (en_US), seeded per patient. Faker may change its lists
from one version to the next, so its version is part of the identity of a dataset that uses it.
Numbers and dates come from the twin's own streams. All are fictitious.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from radpriv.benchmark.datasets.synthetic.engine.draws import Tape
from radpriv.errors import SuiteError

IDENTITY_PHRASES = Path(__file__).with_name("identity_phrases.toml")
"""Wordings of what names somebody: for both twins."""
_MARK = re.compile(r"⟦([A-Z]+)⟧")


def redacted(text: str) -> str:
    return _MARK.sub("___", text)


def faker_version() -> str:
    """The installed version of Faker; SuiteError if there is none."""
    try:
        return version("Faker")
    except PackageNotFoundError:
        raise SuiteError("option 'phi' = true needs the package Faker: pip install Faker") from None


@dataclass(frozen=True)
class Person:
    """One patient: what stays the same from visit to visit."""

    name: str
    mrn: str
    born: date
    first: date  # of the first visit
    referrer: str
    site: str
    phone: str


class Identities:
    """Persons and their reports' particulars, each a function of (root, patient, visit)."""

    def __init__(self, root: str) -> None:
        from faker import Faker

        faker_version()
        self.root = root
        self.faker = Faker("en_US", use_weighting=False)

    def person(self, patient: int, sex: str) -> Person:
        tape = Tape(self.root, "identity", patient)
        self._seed(patient)
        name = self.faker.name_female if sex == "woman" else self.faker.name_male
        first = date(2011, 1, 1) + timedelta(days=tape.below(3000))
        return Person(
            name=name(),
            mrn=f"{tape.below(10**8):08d}",
            born=first - timedelta(days=365 * (18 + tape.below(72)) + tape.below(365)),
            first=first,
            referrer=f"Dr. {self.faker.last_name()}",
            site=f"{self.faker.city()} {tape.pick(('Medical Center', 'Hospital', 'Clinic'))}",
            phone=self.faker.numerify("(###) 555-####"),
        )

    def values(self, patient: int, visit: int, sex: str) -> dict[str, str]:
        """What stands for each kind of mark in this report."""
        who = self.person(patient, sex)
        tape = Tape(self.root, "study", patient, visit)
        self._seed(patient, visit)
        day = who.first + timedelta(days=90 * visit + tape.below(80))
        prior = day - timedelta(days=1 + tape.below(80))
        return {
            "NAME": who.name,
            "MRN": who.mrn,
            "DOB": _date(who.born),
            "AGE": str((day - who.born).days // 365),
            "DATE": _date(day),
            "PRIOR": _date(prior),
            "TIME": f"{7 + tape.below(12)}:{tape.below(60):02d}",
            "ACCESSION": f"{day:%y}-{tape.below(10**7):07d}",
            "REFERRER": who.referrer,
            "RADIOLOGIST": f"{self.faker.first_name()} {self.faker.last_name()}, MD",
            "PHONE": who.phone,
            "SITE": who.site,
        }

    def told(self, text: str, values: dict[str, str]) -> str:
        return _MARK.sub(lambda mark: values[mark[1]], text)

    def _seed(self, *path: int) -> None:
        word = hashlib.sha256("/".join([self.root, "faker", *map(str, path)]).encode()).digest()
        self.faker.seed_instance(int.from_bytes(word[:8], "big"))


def _date(day: date) -> str:
    return f"{day.month:02d}/{day.day:02d}/{day.year}"
