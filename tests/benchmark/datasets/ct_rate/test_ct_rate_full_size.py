"""CT-RATE at its full size, made up: 47,149 + 3,039 rows, and what loading them costs."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS

SIZES = {"train": (20_000, 24_128, 47_149), "valid": (1_304, 1_564, 3_039)}
"""Split -> patients, scans, reconstructions."""
WORDS = [f"word{i}" for i in range(5_000)]
PROBE = """
import json, sys, time
from pathlib import Path
from radpriv.benchmark.datasets.ct_rate.ct_rate_loader import CTRate
def peak():  # of this process since its start; ru_maxrss would be inherited
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
before, start = peak(), time.perf_counter()
data = CTRate().load(Path(sys.argv[1]))
made, seconds = peak(), time.perf_counter() - start
start = time.perf_counter()
again = CTRate().load(Path(sys.argv[1]))
print(json.dumps({
    "seconds": seconds, "again": time.perf_counter() - start, "before": before, "peak": made,
    "counts": dict(data.counts), "rows": len(data), "test": len(data.rows("test")),
    "patients": len(set(data.patients)), "characters": sum(map(len, data.texts)),
}))
"""


def volumes(split: str) -> Iterator[tuple[str, list[str]]]:
    """(scan, its volumes), with exactly the published numbers."""
    patients, scans, rows = SIZES[split]
    rng = random.Random(split)
    extra = set(rng.sample(range(scans), rows - scans - (rows - scans) // 9))
    left = rows - scans - len(extra)
    more = dict.fromkeys(rng.sample(sorted(extra), left), 1)
    many = set(rng.sample(range(1, patients + 1), scans - patients))
    index = 0
    for person in range(1, patients + 1):
        for letter in "ab" if person in many else "a":
            copies = 1 + (index in extra) + more.get(index, 0)
            scan = f"{split}_{person}_{letter}"
            yield scan, [f"{scan}_{r}.nii.gz" for r in range(1, copies + 1)]
            index += 1


def write_all(tree: Any) -> int:
    """Bytes of the report files; each report has about 196 + 34 words."""
    rng = random.Random(7)
    for split in SIZES:
        for kind in ("reports", "labels"):
            tree.path(split, kind).parent.mkdir(parents=True, exist_ok=True)
        with (
            tree.path(split, "reports").open("w", newline="") as reports,
            tree.path(split, "labels").open("w", newline="") as labels,
        ):
            write, note = csv.writer(reports).writerow, csv.writer(labels).writerow
            head = ("VolumeName", "ClinicalInformation_EN", "Technique_EN")
            write((*head, "Findings_EN", "Impressions_EN"))
            note(("VolumeName", *LABELS))
            for _, names in volumes(split):
                findings = " ".join(rng.choices(WORDS, k=int(rng.lognormvariate(5.2, 0.4))))
                impression = " ".join(rng.choices(WORDS, k=int(rng.lognormvariate(3.3, 0.7))))
                on = [int(rng.random() < 0.19) for _ in LABELS]
                for name in names:
                    write((name, "Not given.", "words " * 30, findings, impression))
                    note((name, *on))
    return sum(tree.path(split, "reports").stat().st_size for split in SIZES)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_full_size_loads_within_a_minute_and_bounded_memory(tree: Any, cache: Path) -> None:
    """The full size loads within a minute and in bounded memory."""
    size = write_all(tree)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tree.data)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    got = json.loads(done.stdout)
    print(f"\nreports {size / 2**20:.0f} MiB", got)
    assert got["rows"] == got["counts"]["scans"] == 24_128 + 1_564
    assert got["test"] == 1_564
    assert got["patients"] == got["counts"]["patients"] == 20_000 + 1_304
    assert got["counts"]["labels_differ"] == got["counts"]["reports_differ"] == 0
    assert got["seconds"] < 60 and got["again"] < 5
    assert got["peak"] - got["before"] < 200, "MiB above the imports; 111 when measured"
    assert sum(f.stat().st_size for f in (cache / "tables").iterdir()) < size


def test_the_made_up_tree_has_the_published_numbers() -> None:
    for split, (patients, scans, rows) in SIZES.items():
        made = list(volumes(split))
        assert len(made) == scans
        assert len({scan.rpartition("_")[0] for scan, _ in made}) == patients
        assert sum(len(names) for _, names in made) == rows
