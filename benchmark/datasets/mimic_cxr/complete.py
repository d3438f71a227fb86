"""Whether reports, labels and split belong together and are all there.

Here and there one lacks its counterpart, in the release itself (8 rows of labels): such studies are
counted and left out. Half a download is something else, and refused with what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from radpriv.benchmark.datasets.io.sources import FoundParts
from radpriv.benchmark.datasets.mimic_cxr.label_tables import StudyPlace
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_sources import GET
from radpriv.benchmark.datasets.mimic_cxr.report_files import relative_path
from radpriv.errors import DataError


def check_complete(
    sources: FoundParts,
    places: Mapping[int, StudyPlace],
    labels: Mapping[int, object],
    reports: Mapping[int, int],
) -> None:
    """DataError if one of the three is half a download, or if two disagree on a patient.

    places: study -> what the split says.  labels: by study.  reports: study -> patient, by path.
    """
    _check_reports(sources, places, reports)
    for what, known in (("split", places), ("labels", labels)):
        path = sources[what]
        without = len(reports.keys() - known.keys())
        if _many(without, len(reports)):
            raise DataError(
                f"{path}: gives no {what} for {without:,} of the {len(reports):,} reports; finish "
                f"the download: {GET}"
            )
    for study, patient in reports.items():
        if study in places and places[study].patient != patient:
            raise DataError(
                f"{sources['reports']}: {relative_path(patient, study)} lies under another patient "
                f"than {sources['split'].name} says; get both again"
            )


def orphans(
    places: Mapping[int, StudyPlace], labels: Iterable[int], reports: Mapping[int, int]
) -> dict[str, int]:
    """Counts of what lacks its counterpart, and zeros for what is counted report by report."""
    return {
        "reports": len(reports),
        "report_without_split": sum(study not in places for study in reports),
        "labels_without_report": sum(study not in reports for study in labels),
        "report_without_labels": 0,
        "empty_report": 0,
        "without_section": 0,
        "kept": 0,
    }


def _check_reports(
    sources: FoundParts, places: Mapping[int, StudyPlace], reports: Mapping[int, int]
) -> None:
    """A group of patients is one folder, so a whole group that lacks is a folder that lacks."""
    listed = Counter(_group(place.patient) for place in places.values())
    lacking = Counter(_group(places[study].patient) for study in places.keys() - reports.keys())
    gone = [group for group, n in lacking.items() if n == listed[group] > 1]
    if gone or _many(lacking.total(), len(places)):
        shares = ", ".join(f"{g}: {n:,} of {listed[g]:,}" for g, n in sorted(lacking.items()))
        raise DataError(
            f"{sources['reports']}: {lacking.total():,} of the {len(places):,} reports that "
            f"{sources['split'].name} lists are missing ({shares}); finish the download: {GET}"
        )


def _many(missing: int, total: int) -> bool:
    """More than one in a thousand, and than the 20 that a small release may lack."""
    return missing > max(20, total // 1000)


def _group(patient: int) -> str:
    return f"p{patient:08d}"[:3]
