from __future__ import annotations

import itertools
import math
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from radpriv.attacks.evaluation.roc import family_curve, grid
from radpriv.errors import ReportError
from radpriv.reports.figures.epsilon_figure import KNOWN, EpsilonPoint, epsilon_figure
from radpriv.reports.figures.roc_figure import FLOOR, MOST, RocLine, roc_figure
from radpriv.reports.render.images import inline_svg, png, svg
from radpriv.reports.render.theme import DARK, LIGHT

HOSTILE = '<script>alert("x")</script>|$\\frac{1}{2}$'


@pytest.fixture(autouse=True)
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # a file of another test, collected here
        yield


def measured(name: str, scores: np.ndarray, member: np.ndarray, **more: Any) -> RocLine:
    curve = family_curve([(scores, member)], np.union1d(grid(), (0.05, 0.01, 0.001)))
    ends = (curve.rates, curve.tpr, curve.low, curve.high, curve.resolvable)
    return RocLine(name, *(v.tolist() for v in ends), **more)


def power(name: str, exponent: float, role: Any = "attack", **more: Any) -> RocLine:
    """TPR = FPR^exponent, resolvable from 2% on."""
    fpr = np.geomspace(1e-4, 1, 33)
    tpr = fpr**exponent
    ends = (fpr, tpr, tpr / 1.5, np.minimum(1, tpr * 1.5), fpr >= 0.02)
    return RocLine(name, *(v.tolist() for v in ends), role, **more)


def curves_of(figure: Figure, colour: str) -> list[Any]:
    """The curves of one colour inside the panel; samples in the margin lie outside."""
    axes = figure.axes[0]
    return [
        line
        for line in axes.lines
        if line.get_transform() == axes.transData and same_color(line.get_color(), colour)
    ]


def words(figure: Figure) -> str:
    return " ".join(t.get_text() for t in [*figure.axes[0].texts, *figure.texts]).replace("\n", " ")


def margin(figure: Figure) -> dict[str, Any]:
    """What is written in the right margin: text → its artist (the last of equal ones)."""
    return {t.get_text(): t for t in figure.axes[0].texts if t.get_position()[0] == 1.11}


def case_26() -> tuple[RocLine, RocLine]:
    """500 members, 500 non-members: the best score is a non-member's; perfect separation."""
    rng = np.random.default_rng(26)
    member = np.arange(1000) < 500
    scores = rng.normal(size=1000) + 0.3 * member
    scores[999] = 100.0
    return measured("worst first", scores, member), measured("perfect", 1.0 * member, member)


def test_rates_of_zero_are_drawn_at_the_floor() -> None:
    """Nothing is NaN."""
    lines = case_26()
    assert min(lines[0].tpr) == 0 and min(lines[0].low) == 0 and min(lines[1].tpr) == 1
    figure = roc_figure(lines, "case 26")
    drawn = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines]
    bands = [path.vertices for c in figure.axes[0].collections for path in c.get_paths()]
    assert len(bands) == 2
    for values in (*drawn, *bands):
        assert np.isfinite(values).all() and (values >= FLOOR).all()
    assert figure.axes[0].get_xlim() == figure.axes[0].get_ylim() == (FLOOR, 1.0)
    assert "drawn at 0.001" in words(figure)
    text = svg(figure).lower()
    assert "nan" not in text and "inf" not in text
    assert png(figure).startswith(b"\x89PNG")


def test_points_left_of_the_floor_do_not_pile_up_on_the_axis() -> None:
    """FPR starts at 1e-4; without a cut, eight points would make a vertical line at 1e-3."""
    figure = roc_figure([power("a", 0.5)], "")
    for line in curves_of(figure, LIGHT.lines[0]):
        assert (np.diff(line.get_xdata()) > 0).all()


def test_unresolvable_stretch_is_dashed_without_a_band() -> None:
    """A stretch that cannot be resolved is dashed, has no band, and the note says so."""
    figure = roc_figure([power("a", 0.5)], "")
    dashed, solid = sorted(
        curves_of(figure, LIGHT.lines[0]), key=lambda line: line.get_xdata().min()
    )
    assert dashed.is_dashed() and not solid.is_dashed()
    assert dashed.get_xdata().max() == solid.get_xdata().min() >= 0.02  # no gap between the two
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 0].min() == solid.get_xdata().min()
    assert "fewer than 10/f non-members" in words(figure)
    whole = replace(power("a", 0.5), resolvable=[True] * 33)
    assert "10/f" not in words(roc_figure([whole], ""))


def test_the_band_runs_between_the_ends_that_were_given() -> None:
    line = replace(power("a", 0.5), resolvable=[True] * 33)
    band = roc_figure([line], "").axes[0].collections[0].get_paths()[0].vertices
    found = {(round(x, 9), round(y, 9)) for x, y in band}
    for x, low, high in zip(line.fpr, line.low, line.high):
        if x >= FLOOR:
            assert (round(x, 9), round(max(low, FLOOR), 9)) in found
            assert (round(x, 9), round(high, 9)) in found


def test_attacks_beyond_the_limit_are_counted() -> None:
    """What they are compared with stays."""
    attacks = [power(f"attack {i}", 0.3 + 0.05 * i) for i in range(MOST + 3)]
    others = [power("c", 0.1, "control"), power("b", 1.0, "blind"), power("n", 1.0, "null")]
    said = words(roc_figure([*attacks, *others], ""))
    assert "attack 6" in said and "attack 7" not in said  # one of the eight is the control
    assert "4 more attacks are not drawn" in said
    assert all(f" {name} " in f" {said} " for name in "cbn")
    assert "not drawn" not in words(roc_figure([*attacks[:7], *others], ""))


def test_the_null_is_a_grey_band_without_a_line() -> None:
    figure = roc_figure([power("a", 0.5), power("n", 1.0, "null")], "")
    assert len(figure.axes[0].collections) == 2
    diagonal = curves_of(figure, LIGHT.ink)
    assert [d.get_xydata().tolist() for d in diagonal] == [[[FLOOR, FLOOR], [1.0, 1.0]]]
    assert curves_of(figure, LIGHT.faint) == []
    assert same_color(figure.axes[0].collections[1].get_facecolor()[0][:3], LIGHT.faint)


def test_the_replicates_of_the_bands_are_named() -> None:
    assert "95% over candidates and seeds" in words(roc_figure([power("a", 0.5)], ""))
    one = power("a", 0.5, replicates="candidates")
    assert "95% over candidates, at each rate" in words(roc_figure([one], ""))


@pytest.mark.parametrize(
    "edit",
    [
        {"tpr": [0.1]},
        {"tpr": [math.nan] * 33},
        {"high": [1.2] * 33},
        {"fpr": [], "tpr": [], "low": [], "high": [], "resolvable": []},
    ],
)
def test_a_broken_curve_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(ReportError, match="ROC curve of odd"):
        replace(power("odd", 0.5), **edit)


def points(empirical: float = 0.4, kind: Any = "black box", name: str = "dp_lora") -> Any:
    return [
        EpsilonPoint(name, 1.0, empirical / 4, 0.5, 4.4, kind),
        EpsilonPoint(name, 10.0, empirical, 3.2, 4.4, kind),
    ]


def marks(figure: Figure, mark: str) -> list[Any]:
    axes = figure.axes[0]
    return [
        line
        for line in axes.lines
        if line.get_marker() == mark and line.get_transform() == axes.transData
    ]


def test_bound_of_zero_shows_its_whole_marker() -> None:
    """A bound of zero stands on the axis with its whole marker."""
    figure = epsilon_figure(points(0.0), "")
    (series, *hollow) = marks(figure, "o")
    assert series.get_ydata().tolist() == [0, 0] and not series.get_clip_on()
    assert figure.axes[0].get_ylim()[0] == 0 and "0" in _ticks(figure)
    assert [h.get_ydata()[0] for h in hollow] == [0.5, 3.2]
    assert all(h.get_markerfacecolor() == "none" for h in hollow)


def _ticks(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.axes[0].get_yticklabels()]


def test_the_ceiling_is_dashed_over_its_points_and_named() -> None:
    figure = epsilon_figure([*points(), *points(0.9, KNOWN)], "")
    (ceiling,) = [
        line
        for line in figure.axes[0].lines
        if line.is_dashed() and line.get_transform() == figure.axes[0].transData
    ]
    assert set(ceiling.get_ydata()) == {4.4}
    assert min(ceiling.get_xdata()) < 1 and max(ceiling.get_xdata()) > 10
    assert "black box, known" in words(figure)


def test_only_a_bound_above_its_certificate_is_ringed() -> None:
    def rings(figure: Figure) -> list[Any]:
        return [m for m in marks(figure, "o") if m.get_markersize() > 10]

    below, above = (replace(points()[1], empirical=e) for e in (9.9, 10.1))
    assert rings(epsilon_figure([below], "")) == []
    figure = epsilon_figure([below, above], "")
    (ring,) = rings(figure)
    assert ring.get_ydata()[0] == 10.1 and "Ringed" in words(figure)


def test_no_point_is_moved_across_the_line() -> None:
    """Twelve series at one ε, each just below or just above it; they are drawn side by side."""
    made = []
    for i in range(12):
        value = 10.0 * (1.01 if i % 2 else 0.99)
        made += [EpsilonPoint(f"method {i}", 10.0, value, None, None, "black box")]
        made += [EpsilonPoint(f"method {i}", 1.0, 0.0, None, None, "black box")]
    xs = []
    for series in marks(epsilon_figure(made, ""), "o"):
        if len(series.get_xdata()) == 2:
            (low, high), (_, value) = series.get_xdata(), series.get_ydata()
            assert (value > high) == (value > 10.0)
            xs.append(low)
    assert len(set(xs)) == 12 and max(xs) / min(xs) < 3


def test_neighbouring_budgets_do_not_mix() -> None:
    made = [
        EpsilonPoint(f"method {i}", epsilon, 0.5, None, None, "black box")
        for epsilon in (7.0, 10.0)
        for i in range(12)
    ]
    series = [m.get_xdata() for m in marks(epsilon_figure(made, ""), "o")]
    assert len(series) == 12 and max(x[0] for x in series) < min(x[1] for x in series)


def test_the_region_above_the_line_is_shaded_and_labelled() -> None:
    figure = epsilon_figure(points(), "")
    (region,) = figure.axes[0].collections
    border = region.get_paths()[0]
    assert border.contains_point((2.0, 3.0)) and not border.contains_point((3.0, 2.0))
    assert "would refute the certificate" in words(figure)


@pytest.mark.parametrize(
    "edit", [{"certified": 0.0}, {"certified": math.inf}, {"empirical": math.nan}, {"ideal": -1.0}]
)
def test_a_broken_audit_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(ReportError, match="audit of dp_lora"):
        replace(points()[0], **edit)


def both(theme: Any, name: str = "a") -> list[Figure]:
    lines = [power(name, 0.5, detail=name), power(name, 0.2, "control"), power("n", 1.0, "null")]
    audits = [*points(0.4, name=name), *points(2.0, "white box", name), *points(0.5, KNOWN)]
    return [roc_figure(lines, name, theme), epsilon_figure(audits, name, theme)]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_equal_input_gives_equal_bytes_in_either_theme(theme: Any) -> None:
    for first, second in zip(both(theme), both(theme)):
        text = svg(first)
        assert text == svg(second)
        assert theme.ink in text and theme.lines[0].lower() in text
    assert png(first) == png(second)


@pytest.mark.parametrize("name", [HOSTILE, "$\\frac{1}$", "a\nb\x00\x1b[31mc", "n" * 500, ""])
def test_names_stay_text_on_one_line(name: str) -> None:
    for figure in both(LIGHT, name):
        text = svg(figure)
        ElementTree.fromstring(text)
        assert "<script" not in text
        assert all(len(t) <= 34 and "\n" not in t for t in margin(figure))
        if name == HOSTILE:
            assert f"{HOSTILE[:29]}…" in margin(figure)
            assert "<script" not in inline_svg(figure, "p", name)


def test_without_input_a_figure_says_so() -> None:
    assert "no membership attack has a result" in words(roc_figure([], "t"))
    assert "no private family has an audit" in words(epsilon_figure([], "t"))
    for figure in (roc_figure([], "t"), epsilon_figure([], "t")):
        assert "nan" not in svg(figure)


def test_names_in_the_margin_keep_apart_on_the_page() -> None:
    """Names in the margin do not touch and stay on the page."""
    alike = [power(f"method number {i}", 0.95, detail="lira, AUC 0.52") for i in range(7)]
    rest = [power("c", 0.94, "control"), power("b", 0.96, "blind"), power("n", 0.97, "null")]
    zeros = [p for i in range(8) for p in points(0.0, "black box", f"method number {i}")]
    many = [p for k in ("black box", "white box") for p in (replace(z, kind=k) for z in zeros)]
    for figure in (roc_figure([*alike, *rest], ""), epsilon_figure(many, "")):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        width, height = canvas.get_width_height()
        written = [t for t in figure.axes[0].texts if t.get_position()[0] == 1.11]
        assert len(written) >= 17
        boxes = [t.get_window_extent() for t in written]
        for a, b in itertools.combinations(boxes, 2):
            assert a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        for box in boxes:
            assert box.x1 <= width and box.y0 >= 0 and box.y1 <= height
        assert all(t.get_window_extent().y0 >= 0 for t in figure.texts)


def test_known_mechanisms_of_one_budget_are_no_curve() -> None:
    """Known mechanisms at one budget are points."""
    known = [EpsilonPoint(f"m{i}", 10.0, 1.0 + i, None, 5.0, "known mechanism") for i in range(3)]
    figure = epsilon_figure(
        [*known, EpsilonPoint("dp_lora", 10.0, 2.0, 3.0, 5.0, "black box")], "x"
    )
    drawn = [line for line in figure.axes[0].lines if sorted(line.get_ydata()) == [1.0, 2.0, 3.0]]
    assert len(drawn) == 1 and drawn[0].get_linestyle() == "None"
