"""The keyword labeller as a method: what it says of a report, what it keeps, what it refuses."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radpriv.baselines.keyword import Keyword, KeywordFitted
from radpriv.baselines.keyword.lexicon import LEXICON, read_lexicon
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.chexpert import CHEXPERT
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS as CT
from radpriv.benchmark.methods.method import methods
from radpriv.errors import PluginError, StoreError, SuiteError

RADIOGRAPH = {
    "Enlarged Cardiomediastinum": "The mediastinum is mildly widened",
    "Cardiomegaly": "The cardiac silhouette remains enlarged",
    "Lung Lesion": "A 4 mm nodule lies in the left apex",
    "Lung Opacity": "Patchy bibasilar opacities",
    "Edema": "Pulmonary vascular congestion",
    "Consolidation": "Right lower lobe consolidation",
    "Pneumonia": "Findings of an infectious process",
    "Atelectasis": "Bibasilar atelectatic bands",
    "Pneumothorax": "Tiny apical pneumothorax",
    "Pleural Effusion": "Fluid in the right fissure",
    "Pleural Other": "Biapical pleural thickening",
    "Fracture": "Healed rib fractures",
    "Support Devices": "The endotracheal tube ends above the carina",
}
CHEST_CT = {
    "Medical material": "A stent is seen in the left bronchus",
    "Arterial wall calcification": "Calcific atheroma plaques are observed in the aorta",
    "Cardiomegaly": "Heart size has slightly increased",
    "Pericardial effusion": "There is pericardial effusion of 8 mm",
    "Coronary artery wall calcification": "Calcific plaques are seen in the coronary arteries",
    "Hiatal hernia": "Sliding type hiatal hernia is observed",
    "Lymphadenopathy": "Enlarged hilar lymph nodes",
    "Emphysema": "Emphysematous changes in both lungs",
    "Atelectasis": "Linear atelectasis in the lingula",
    "Lung nodule": "Millimetric nonspecific nodules in both lungs",
    "Lung opacity": "Ground-glass densities in the right lung",
    "Pulmonary fibrotic sequela": "Sequelae changes in both apices",
    "Pleural effusion": "Bilateral pleural effusion",
    "Mosaic attenuation pattern": "A mosaic attenuation pattern is seen",
    "Peribronchial thickening": "Bronchial wall thickness increases centrally",
    "Consolidation": "Consolidation areas in the lower lobe",
    "Bronchiectasis": "Tubular bronchiectasis in the middle lobe",
    "Interlobular septal thickening": "Smooth interlobular septal thickenings",
}


class Sealed:
    """Private records and a run of which nothing but the labels may be asked."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the method asked for {name}")


def fit(labels: tuple[str, ...], **params: str) -> KeywordFitted:
    sealed: Any = Sealed(labels)
    return Keyword(**params).fit(sealed, None, Budget.of(float("inf"), 100), sealed)


@pytest.fixture(scope="module")
def radiograph() -> KeywordFitted:
    return fit(CHEXPERT)


@pytest.fixture(scope="module")
def chest_ct() -> KeywordFitted:
    return fit(CT)


def said(fitted: KeywordFitted, text: str) -> set[str]:
    (row,) = fitted.logits([text])
    return {label for label, logit in zip(fitted.labels, row) if logit > 0}


def test_keyword_is_registered_and_not_private() -> None:
    """Keyword is registered as a method that is not private and needs no encoder."""
    assert methods.get("keyword") is Keyword
    assert not Keyword.private and not Keyword.uses_encoder
    assert Keyword().params() == {"hedges": "positive"}


def test_labels_of_both_sets_are_known_without_records(
    radiograph: KeywordFitted, chest_ct: KeywordFitted
) -> None:
    """All labels of both label sets are known, and records are asked for nothing."""
    assert set(CHEXPERT) == {*RADIOGRAPH, "No Finding"} and set(CT) == set(CHEST_CT)
    assert radiograph.unknown == chest_ct.unknown == ()
    with pytest.raises(AssertionError, match="raw"):
        Sealed(CT).raw()


@pytest.mark.parametrize("label", RADIOGRAPH)
def test_radiograph_label_is_positive_unless_denied(label: str, radiograph: KeywordFitted) -> None:
    """A radiograph label is positive where stated and negative where denied."""
    assert said(radiograph, f"{RADIOGRAPH[label]}.") == {label} | (
        {"No Finding"} if label == "Support Devices" else set()
    )
    assert said(radiograph, f"No evidence that {RADIOGRAPH[label].lower()}.") == {"No Finding"}


@pytest.mark.parametrize("label", CHEST_CT)
def test_ct_label_is_positive_unless_denied(label: str, chest_ct: KeywordFitted) -> None:
    """A CT label is positive where stated and negative where denied."""
    assert said(chest_ct, f"{CHEST_CT[label]}.") == {label}
    assert said(chest_ct, f"{CHEST_CT[label]} was not observed.") == set()


def test_ct_plaques_of_two_arteries_are_two_labels(chest_ct: KeywordFitted) -> None:
    """CT plaques of the aorta and the coronary arteries are both labels."""
    both = {"Arterial wall calcification", "Coronary artery wall calcification"}
    assert said(chest_ct, "Calcific plaques in the aortic arch and coronary arteries.") == both
    assert said(chest_ct, "No pleural or pericardial effusion.") == set()
    assert said(chest_ct, "Pleural and pericardial effusion.") == {
        "Pleural effusion",
        "Pericardial effusion",
    }


def test_normal_report_has_no_finding_device_or_not(radiograph: KeywordFitted) -> None:
    """A normal report has No Finding, and a device does not change that."""
    normal = "Heart size is normal. Lungs are clear. No effusion or pneumothorax."
    assert said(radiograph, normal) == {"No Finding"}
    assert said(radiograph, f"{normal} Right PICC in place.") == {"No Finding", "Support Devices"}


@pytest.mark.parametrize("hedges", ["positive", "negative"])
def test_no_finding_gives_way_to_open_and_unlabelled_ones(hedges: str) -> None:
    """No Finding gives way to what is left open and to findings without a label."""
    fitted = fit(CHEXPERT, hedges=hedges)
    assert "No Finding" not in said(fitted, "Possible pneumonia.")
    assert said(fitted, "Calcified granuloma in the left lung.") == set()
    assert said(fitted, "No calcified granuloma.") == {"No Finding"}


@pytest.mark.parametrize(
    "text",
    [
        "Possible pneumonia.",
        "Pneumonia cannot be excluded.",
        "Opacity which may represent pneumonia.",
        "Atelectasis versus pneumonia.",
        "Pneumonia is suspected.",
    ],
)
def test_open_mention_counts_as_the_parameter_says(text: str, radiograph: KeywordFitted) -> None:
    """What is left open counts as the parameter says."""
    assert "Pneumonia" in said(radiograph, text)
    assert "Pneumonia" not in said(fit(CHEXPERT, hedges="negative"), text)


def test_stated_mention_counts_beside_a_denied_one() -> None:
    """A stated mention counts beside one that is denied or left open."""
    fitted = fit(CHEXPERT, hedges="negative")
    assert said(fitted, "Possible edema. No right effusion. Left effusion.") == {"Pleural Effusion"}


def test_unknown_word_for_hedges_is_refused() -> None:
    with pytest.raises(SuiteError, match="'ignore': one of positive, negative"):
        Keyword(hedges="ignore")


def test_logits_are_one_or_minus_one_with_zero_thresholds(radiograph: KeywordFitted) -> None:
    """Logits are one or minus one in float32 with thresholds of zero."""
    logits = radiograph.logits(["Edema.", "", "No edema."])
    assert logits.shape == (3, 14) and logits.dtype == np.float32
    assert set(np.unique(logits)) == {-1.0, 1.0}
    assert radiograph.thresholds.dtype == np.float32 and not radiograph.thresholds.any()
    assert radiograph.trainable_parameters == 0
    assert radiograph.logits([]).shape == (0, 14)


def test_label_without_a_lexicon_is_said_to_be_always_negative() -> None:
    with pytest.warns(UserWarning, match="no lexicon for Gallstone, elsewhere: always negative"):
        fitted = fit(("Gallstone", "edema", "elsewhere"))
    assert fitted.unknown == ("Gallstone", "elsewhere")
    text = "Gallstone. Edema. Granuloma elsewhere. Nothing."
    assert said(fitted, text) == {"edema"}


def test_known_label_is_known_in_any_case_and_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit(("PLEURAL EFFUSION", "no  finding"))
    assert said(fitted, "Effusion.") == {"PLEURAL EFFUSION"}
    assert said(fitted, "Clear.") == {"no  finding"}


def test_ct_label_among_radiographs_has_its_own_phrases() -> None:
    """A CT label beside radiograph labels is read with its own phrases."""
    fitted = fit((*CHEXPERT, "Hiatal hernia"))
    assert said(fitted, "Sliding hernia and edema.") == {"Hiatal hernia", "Edema"}


def test_saved_model_answers_alike_and_is_the_same_bytes(
    radiograph: KeywordFitted, tmp_path: Path
) -> None:
    """A saved model answers alike and is the same bytes each time."""
    texts = [*RADIOGRAPH.values(), "Possible edema. No zyzzyva.", "Heart ﬁne​."]
    before = radiograph.logits(texts)
    for name in ("one", "two"):
        radiograph.save(tmp_path / name)
    loaded = KeywordFitted.load(tmp_path / "one", None)
    np.testing.assert_array_equal(loaded.logits(texts), before)
    np.testing.assert_array_equal(radiograph.logits(texts[::-1]), before[::-1])
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(files) == {"model.json", "lexicon.toml"}
    assert files["lexicon.toml"] == LEXICON.read_bytes()
    assert b"zyzzyva" not in b"".join(files.values())
    for name, content in files.items():
        assert (tmp_path / "two" / name).read_bytes() == content
    loaded.save(tmp_path / "three")
    assert (tmp_path / "three" / "model.json").read_bytes() == files["model.json"]


def test_saved_model_keeps_its_own_lexicon_and_its_hedges(tmp_path: Path) -> None:
    text = LEXICON.read_text("utf-8").replace('"kerley b? lines"', '"zyzzyva"')
    lexicon = read_lexicon(text, "mine")
    KeywordFitted(("Edema",), lexicon, "negative").save(tmp_path)
    loaded = KeywordFitted.load(tmp_path, None)
    assert said(loaded, "Zyzzyva.") == {"Edema"} and not said(loaded, "Possible edema.")


def test_damaged_model_is_refused_by_its_file(radiograph: KeywordFitted, tmp_path: Path) -> None:
    """A damaged model is refused with the file that is damaged."""
    radiograph.save(tmp_path)
    model, lexicon = tmp_path / "model.json", tmp_path / "lexicon.toml"
    whole = model.read_text()
    model.write_text(whole.replace('"positive"', '"maybe"'))
    with pytest.raises(StoreError, match=r"model.json: hedges are damaged"):
        KeywordFitted.load(tmp_path, None)
    model.write_text(whole)
    lexicon.write_text("x = 1\n")
    with pytest.raises(StoreError, match=r"lexicon.toml: not the lexicon that this model has"):
        KeywordFitted.load(tmp_path, None)
    lexicon.unlink()
    with pytest.raises(StoreError, match=r"lexicon.toml: cannot be read"):
        KeywordFitted.load(tmp_path, None)


@pytest.mark.parametrize("module", ["spacy", "negspacy.negation"])
def test_missing_library_is_one_line_that_names_the_extra(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError) as refused:
        fit(CHEXPERT)
    sentence = str(refused.value)
    assert "pip install 'radpriv[keyword]'" in sentence and "\n" not in sentence
    assert f"({module} cannot be imported)" in sentence
