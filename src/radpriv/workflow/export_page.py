"""What stands beside an exported model: radpriv.json for programs, README.md for people.

The README's code needs no radpriv. `code` gives the lines that differ between kinds of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pydantic import JsonValue

from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.benchmark.store.schema import dump
from radpriv.workflow.cell_model import CellModel

ABOUT = "radpriv.json"
COPY = "encoder"
"""Folder of a copied encoder, in an export."""
EXAMPLE = "Small left pleural effusion. The heart is normal in size."
"""The report that a README classifies."""
VERSIONS = ("radpriv", "torch", "transformers", "peft", "tokenizers", "scikit-learn")


def about(
    model: CellModel, kind: str, base: str, how: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """radpriv.json: what the model is, by what it may be judged, and how to use it.

    kind: of the export. base: where its encoder is found. how: what its code needs beside tensors.
    """
    record = model.cell.record
    cell, asked, versions = record.cell, record.cell.as_dict(), record.versions
    return {
        "schema": 1,
        "cell_id": model.id,
        "fingerprint": record.fingerprint,
        "kind": kind,
        "labels": list(model.labels),
        "thresholds": [float(t) for t in model.thresholds],
        **how,
        "encoder": {**asdict(record.encoder), "from": base} if record.encoder else None,
        "dataset": {
            "name": cell.dataset,
            "n_public": cell.n_public,
            "title": record.card.title,
            "licence": record.card.licence,
            "release": record.card.release,
            "labels_from": record.card.labels_from,
        },
        "method": {"name": cell.method, "params": asked["params"]},
        "seed": cell.seed,
        "limited": cell.limited,
        "claim": dump(record.claim) if record.claim else None,
        "certificate": dump(record.certificate) if record.certificate else None,
        "noise_mode": cell.noise_mode if record.claim else None,
        "planted_canaries": [dump(p) for p in cell.audit.planted],
        "versions": {name: versions[name] for name in VERSIONS if name in versions},
    }


def readme(title: str, sentences: Sequence[str], code: Sequence[str], packages: str) -> str:
    lines = [f"# {title}", "", " ".join(sentences), ""]
    lines += [f"To classify one report, in this folder, after `pip install {packages}`:", ""]
    lines += ["```python", *code, "```", ""]
    lines += [f"`{ABOUT}` holds labels, thresholds (in logits), encoder, claim and certificate."]
    return "\n".join(lines) + "\n"


def sentences(model: CellModel, copied: bool) -> list[str]:
    """What a README says of it before the code. copied: whether its encoder was."""
    record = model.cell.record
    cell, card, encoder = record.cell, record.card, record.encoder
    tuned = f", encoder `{encoder.name}`" if encoder else ""
    found = [
        f"A classifier of {len(model.labels)} labels, trained by radpriv's `{cell.method}` on "
        f"`{cell.dataset}`{tuned}.",
        *notes(model, copied),
        f"Trained on: {card.title}. Licence: {card.licence}.",
    ]
    if card.unit_note:
        found.append(f"Units: {card.unit_note}.")
    if encoder:
        found.append(f"The encoder was pretrained on: {encoder.pretrained_on or 'not said'}.")
        if not copied:
            found.append(
                "It is taken from the hub; where there is none, export again with "
                "`--with-encoder`, which puts a copy here."
            )
    return found


def notes(model: CellModel, copied: bool) -> list[str]:
    """What nobody should overlook who is given the model, or gives it away."""
    cell, found = model.cell.record.cell, privacy(model.cell.record)
    if copied:
        found.append(f"`{COPY}/` is a copy of the encoder, under the licence that it came with.")
    if cell.limited is not None:
        found.append(f"It is a smoke test, of a run with `--limit {cell.limited}`.")
    if planted := sum(p.count for p in cell.audit.planted):
        found.append(f"It was trained with up to {planted} planted canaries.")
    return found


def privacy(record: CellRecord) -> list[str]:
    """The claim, and whether it holds against whoever knows the key of the noise."""
    claim, certificate = record.claim, record.certificate
    if claim is None:
        return [
            "**Not private**: it was trained without noise and claims nothing, so its weights may "
            "give away reports that it was trained on."
        ]
    found = [
        f"**Claim**: ε = {claim.epsilon:g} at δ = {claim.delta:g} for one {claim.unit} "
        f"added or removed, {claim.standing}"
        + (f"; certified at ε = {certificate.epsilon:.4g}." if certificate else ".")
    ]
    if record.cell.noise_mode == "replayable":
        found.append(
            "**The noise was replayable**: whoever knows the suite's key, which is public for an "
            "open suite, can subtract it, and against them this ε does not hold."
        )
    return found


def encoder_code(
    base: str, revision: str, hidden: int, max_length: int, adapted: bool, centred: bool
) -> list[str]:
    """Code for an encoder, its adapter if it has one, and a head on the normalised mean."""
    pinned = f', revision="{revision}"' if revision else ""
    model = f'AutoModel.from_pretrained("{base}"{pinned}, dtype=torch.float32)'
    center = ' - head["center"]' if centred else ""
    return [
        "import json, torch",
        *(["from peft import PeftModel"] if adapted else []),
        "from safetensors.torch import load_file",
        "from transformers import AutoModel, AutoTokenizer",
        f'about, head = json.load(open("{ABOUT}")), load_file("head.safetensors")',
        f'model = PeftModel.from_pretrained({model}, ".").eval()'
        if adapted
        else f"model = {model}.eval()",
        f'tokens = AutoTokenizer.from_pretrained(".")("{EXAMPLE}", '
        f'truncation=True, max_length={max_length}, return_tensors="pt")',
        "x = torch.layer_norm(model(**tokens).last_hidden_state.mean(1), "
        f"[{hidden}]){center}  # without padding",
        'for label, p in zip(about["labels"], '
        'torch.sigmoid(x @ head["weight"].T + head["bias"])[0]):',
        '    print(f"{p:.4f} {label}")',
    ]


def words_code(size: int, ngrams: int, binary: bool, weighted: bool) -> list[str]:
    """Code for hashed words, with inverse document frequencies if `weighted`."""
    return [
        "import json, numpy as np",
        "from safetensors.numpy import load_file",
        "from sklearn.feature_extraction.text import HashingVectorizer",
        *(["from sklearn.preprocessing import normalize"] if weighted else []),
        f'about, head = json.load(open("{ABOUT}")), load_file("head.safetensors")',
        f"words = HashingVectorizer(n_features={size}, ngram_range=(1, {ngrams}), "
        f"binary={binary}, alternate_sign=False)",
        f'x = words.transform(["{EXAMPLE}"])',
        *(['x = normalize(x.multiply(head["idf"][None]).tocsr())'] if weighted else []),
        'for label, z in zip(about["labels"], (x @ head["weight"].T + head["bias"])[0]):',
        '    print(f"{1 / (1 + np.exp(-z)):.4f} {label}")',
    ]
