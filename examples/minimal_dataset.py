"""A whole dataset, read from a file. Copy this file, change `rows`, then:

    radpriv data describe my_dataset.py --data DATA
    radpriv run my_suite.toml --data DATA           # with [[datasets]] name = "my_dataset.py"

A CSV or Parquet file whose columns are what you need takes no code: docs/own_dataset.md.
"""

from dataclasses import dataclass

from radpriv.api import Card, CsvTable, DataError, Row, StreamedLoader, datasets, file_sha256


@datasets.register("minimal_dataset")  # your dataset's name in suites and tables
@dataclass(frozen=True)
class MinimalDataset(StreamedLoader):
    """file: the name of the CSV file under DATA/minimal/."""

    name = "minimal_dataset"
    labels = ("effusion", "opacity")
    card = Card(  # what a reader of your results must know; it stands on every report
        title="minimal_dataset: reports of one clinic",
        licence="say whose it is",
        access="say where it comes from",
        release="nothing",  # what may leave the machine: "open", "aggregates" or "nothing"
        labels_from="say who, or what, labelled the reports",
    )

    # Options, with defaults; a suite sets them by `options`. A docstring line says what each is.
    file: str = "reports.csv"

    def find(self, data):
        # Where it lies, or one sentence that says what to do.
        if data is None or not (data / "minimal" / self.file).is_file():
            raise DataError(f"minimal_dataset: put {self.file} into DATA/minimal/, and give --data")
        return data / "minimal" / self.file

    def identity(self, data):
        # Equal identities must mean equal rows; nothing is parsed for it.
        found = file_sha256(self.find(data))
        return {"loader": self.name, "options": self.options(), "source_sha256": found}

    def rows(self, source, counts, progress):
        # Reports by rising id, one at a time. A patient's must all be in one split. Labels are 1,
        # 0 or NaN (not observed). No error may quote a report: `fault` names file and line.
        columns = ("id", "patient", "split", "text")
        table = CsvTable(source, columns, self.labels, key=("id",), states=("1", "0", "blank"))
        for line in table:
            progress(1)
            one, patient, split, text = line.cells
            if not patient or split not in ("train", "test"):
                raise table.fault(line.number, "split", "give train or test, and a patient")
            yield Row(one, patient, split, text, line.states)
