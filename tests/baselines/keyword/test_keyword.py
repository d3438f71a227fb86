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


def test_it_is_registered_as_a_method_that_is_not_private_and_needs_no_encoder() -> None:
    assert methods.get("keyword") is Keyword
    assert not Keyword.private and not Keyword.uses_encoder
    assert Keyword().params() == {"hedges": "positive"}


def test_it_knows_all_labels_of_both_label_sets_and_asks_records_for_nothing(
    radiograph: KeywordFitted, chest_ct: KeywordFitted
) -> None:
    assert set(CHEXPERT) == {*RADIOGRAPH, "No Finding"} and set(CT) == set(CHEST_CT)
    assert radiograph.unknown == chest_ct.unknown == ()
    with pytest.raises(AssertionError, match="raw"):
        Sealed(CT).raw()


@pytest.mark.parametrize("label", RADIOGRAPH)
def test_a_radiograph_label_is_positive_where_stated_and_negative_where_denied(
    label: str, radiograph: KeywordFitted
) -> None:
    assert said(radiograph, f"{RADIOGRAPH[label]}.") == {label} | (
        {"No Finding"} if label == "Support Devices" else set()
    )
    assert said(radiograph, f"No evidence that {RADIOGRAPH[label].lower()}.") == {"No Finding"}


@pytest.mark.parametrize("label", CHEST_CT)
def test_a_ct_label_is_positive_where_stated_and_negative_where_denied(
    label: str, chest_ct: KeywordFitted
) -> None:
    assert said(chest_ct, f"{CHEST_CT[label]}.") == {label}
    assert said(chest_ct, f"{CHEST_CT[label]} was not observed.") == set()


def test_ct_plaques_of_the_aorta_and_the_coronary_arteries_are_both_labels(
    chest_ct: KeywordFitted,
) -> None:
    both = {"Arterial wall calcification", "Coronary artery wall calcification"}
    assert said(chest_ct, "Calcific plaques in the aortic arch and coronary arteries.") == both
    assert said(chest_ct, "No pleural or pericardial effusion.") == set()
    assert said(chest_ct, "Pleural and pericardial effusion.") == {
        "Pleural effusion",
        "Pericardial effusion",
    }


def test_a_normal_report_has_no_finding_and_a_device_does_not_change_that(
    radiograph: KeywordFitted,
) -> None:
    normal = "Heart size is normal. Lungs are clear. No effusion or pneumothorax."
    assert said(radiograph, normal) == {"No Finding"}
    assert said(radiograph, f"{normal} Right PICC in place.") == {"No Finding", "Support Devices"}


@pytest.mark.parametrize("hedges", ["positive", "negative"])
def test_no_finding_gives_way_to_what_is_left_open_and_to_findings_without_a_label(
    hedges: str,
) -> None:
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
def test_what_is_left_open_counts_as_the_parameter_says(
    text: str, radiograph: KeywordFitted
) -> None:
    assert "Pneumonia" in said(radiograph, text)
    assert "Pneumonia" not in said(fit(CHEXPERT, hedges="negative"), text)


def test_a_stated_mention_counts_beside_one_that_is_denied_or_left_open() -> None:
    fitted = fit(CHEXPERT, hedges="negative")
    assert said(fitted, "Possible edema. No right effusion. Left effusion.") == {"Pleural Effusion"}


def test_an_unknown_word_for_hedges_is_refused() -> None:
    with pytest.raises(SuiteError, match="'ignore': one of positive, negative"):
        Keyword(hedges="ignore")


def test_logits_are_one_or_minus_one_in_float32_with_thresholds_of_zero(
    radiograph: KeywordFitted,
) -> None:
    logits = radiograph.logits(["Edema.", "", "No edema."])
    assert logits.shape == (3, 14) and logits.dtype == np.float32
    assert set(np.unique(logits)) == {-1.0, 1.0}
    assert radiograph.thresholds.dtype == np.float32 and not radiograph.thresholds.any()
    assert radiograph.trainable_parameters == 0
    assert radiograph.logits([]).shape == (0, 14)


def test_a_label_without_a_lexicon_is_said_to_be_always_negative() -> None:
    with pytest.warns(UserWarning, match="no lexicon for Gallstone, elsewhere: always negative"):
        fitted = fit(("Gallstone", "edema", "elsewhere"))
    assert fitted.unknown == ("Gallstone", "elsewhere")
    text = "Gallstone. Edema. Granuloma elsewhere. Nothing."
    assert said(fitted, text) == {"edema"}


def test_a_known_label_is_known_in_any_case_and_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit(("PLEURAL EFFUSION", "no  finding"))
    assert said(fitted, "Effusion.") == {"PLEURAL EFFUSION"}
    assert said(fitted, "Clear.") == {"no  finding"}


def test_a_ct_label_beside_radiograph_labels_is_read_with_its_own_phrases() -> None:
    fitted = fit((*CHEXPERT, "Hiatal hernia"))
    assert said(fitted, "Sliding hernia and edema.") == {"Hiatal hernia", "Edema"}


def test_a_saved_model_answers_alike_and_is_the_same_bytes_each_time(
    radiograph: KeywordFitted, tmp_path: Path
) -> None:
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


def test_a_saved_model_keeps_its_own_lexicon_and_its_hedges(tmp_path: Path) -> None:
    text = LEXICON.read_text("utf-8").replace('"kerley b? lines"', '"zyzzyva"')
    lexicon = read_lexicon(text, "mine")
    KeywordFitted(("Edema",), lexicon, "negative").save(tmp_path)
    loaded = KeywordFitted.load(tmp_path, None)
    assert said(loaded, "Zyzzyva.") == {"Edema"} and not said(loaded, "Possible edema.")


def test_a_damaged_model_is_refused_with_the_file_that_is_damaged(
    radiograph: KeywordFitted, tmp_path: Path
) -> None:
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
def test_a_missing_library_is_one_line_that_names_the_extra(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError) as refused:
        fit(CHEXPERT)
    sentence = str(refused.value)
    assert "pip install 'radpriv[keyword]'" in sentence and "\n" not in sentence
    assert f"({module} cannot be imported)" in sentence
