"""Pictures of HS3 say what is in the data; the theta explorer computes what the hierarchy does."""

import matplotlib
import numpy as np
import pytest

from imachsr.figures import hierarchy as pictures
from imachsr.hierarchy import Tradeoff, class_count, merge, tradeoff
from imachsr.widgets.theta import compute_theta, theta_explorer

matplotlib.use("Agg")
import itertools


CLASSES = ["road", "pavement", "car", "sky"]
EARLY = np.array([[30, 20, 0, 0], [20, 30, 0, 0], [0, 0, 40, 10], [0, 0, 15, 35]])
LATE = np.array([[45, 5, 0, 0], [10, 40, 0, 0], [0, 0, 48, 2], [0, 0, 3, 47]])
FINAL = 0.9


@pytest.fixture
def curves():
    return {"early": tradeoff(EARLY), "late": tradeoff(LATE)}


def test_the_tradeoff_is_drawn_where_it_is(curves):
    axis = pictures.tradeoffs(curves, FINAL, theta=76.0).axes[0]
    lines = {line.get_label(): line for line in axis.lines}
    np.testing.assert_allclose(lines["early"].get_ydata(), [100 * curves["early"].miou[n] for n in (2, 3, 4)])
    across, up = lines["76° in HS3's units:\nthe output's mIoU per class"].get_data()
    np.testing.assert_allclose([across[0], up[0], across[-1], up[-1]], [0, 0, 4, 90], atol=1e-9)
    counts = dict.fromkeys(class_count(curve, FINAL) for curve in curves.values())
    assert [text.get_text() for text in axis.texts] == [*map(str, counts)]
    words = pictures.tradeoffs_alt(curves, FINAL)
    assert f"early falls from 100 % at 2 classes to {100 * curves['early'].miou[4]:.0f} % at 4" in words


def test_points_of_one_count_share_its_label(curves):
    axis = pictures.tradeoffs({**curves, "again": curves["late"]}, FINAL, theta=0.0).axes[0]
    assert [(text.get_text(), text.xy[0]) for text in axis.texts] == [("4", 4)]
    assert axis.texts[0].xy[1] == pytest.approx(100 * max(curve.miou[4] for curve in curves.values()))


@pytest.mark.parametrize(("theta", "ends"), [(0.0, [(4, 0), (4, 90)]), (90.0, [(0, 90), (4, 90)])])
def test_the_line_at_its_limits(curves, theta, ends):
    (line,) = (one for one in pictures.tradeoffs(curves, FINAL, theta=theta).axes[0].lines if "°" in one.get_label())
    np.testing.assert_allclose(line.get_xydata(), ends, atol=1e-6)


def test_the_line_meets_the_curve_where_the_count_changes():
    """Just above the line the number of classes counts, just below it does not."""
    for theta in (30.0, 60.0, 76.0, 85.0):
        across, up = pictures._line(10, 0.5, theta)
        at = up[-1] - (up[-1] - up[0]) / (across[-1] - across[0]) * (10 - 8)
        for shift, count in ((1e-6, 8), (-1e-6, 2)):
            curve = Tradeoff({}, {2: 0.99, 8: at + shift, 10: 0.0})
            assert class_count(curve, 0.5, theta=theta) == count


def test_the_tree_boxes_every_cluster_and_keeps_it_whole():
    clusters = {"early": [0, 1, 1, 0], "late": [0, 1, 2, 2]}
    palette = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]
    axis = pictures.tree(clusters, CLASSES, palette).axes[0]
    assert len(axis.patches) == 2 + 3 + 4
    assert [text.get_text() for text in axis.texts] == CLASSES
    for ids, place in zip(
        [*clusters.values(), range(4)], pictures._places([*clusters.values(), [*range(4)]]), strict=True
    ):
        order = [ids[k] for k in sorted(place, key=place.get)]
        assert len([1 for a, b in itertools.pairwise(order) if a != b]) == len(set(ids)) - 1, "contiguous"
    assert "early: road + sky, pavement + car; late: road, pavement, car + sky" in pictures.tree_alt(clusters, CLASSES)


def test_groupings_are_compared_at_every_size(curves):
    other = {
        name: tradeoff(counts, lambda _, size: np.minimum(np.arange(4), size - 1))
        for name, counts in (("early", EARLY), ("late", LATE))
    }
    figure = pictures.groupings({"spectral": curves, "in order": other})
    assert [axis.get_title() for axis in figure.axes] == ["early", "late"]
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata(), [100 * other["early"].miou[n] for n in (2, 3, 4)])
    assert axis_reaches(figure.axes[0], 100 * max(curves["early"].miou.values()))
    assert f"spectral {100 * curves['early'].miou[2]:.1f} %" in pictures.groupings_alt({"spectral": curves}, 2)


def axis_reaches(axis, value):
    return axis.get_ylim()[0] == 0 and axis.get_ylim()[1] >= value


def test_cost_and_accuracy_in_their_places():
    rows = [
        {"label": "plain", "scheme": "conventional", "GMACs": 76, "mIoU": 77.6},
        {"label": "fused", "scheme": "hs3_fuse", "GMACs": 224, "mIoU": 81.8},
        {"label": "fused", "scheme": "hs3_fuse", "GMACs": 154, "mIoU": 81.4},
    ]
    axis = pictures.accuracy_cost({"reported": rows}).axes[0]
    assert [line.get_xydata().tolist() for line in axis.lines] == [[[76, 77.6]], [[154, 81.4], [224, 81.8]]]
    assert "fused 81.4 % at 154" in pictures.accuracy_cost_alt({"reported": rows})


def test_marks_of_one_cost_stand_side_by_side():
    schemes = ["conventional", "imacsr", "imachsr", "hs3", "hs3_fuse"]
    costs, scores = [1.0, 1.0, 1.0, 1.0, 1.2], [15.0, 15.1, 15.05, 19.0, 15.0]
    rows = [
        {"label": scheme, "scheme": scheme, "GMACs": cost, "mIoU": score}
        for scheme, cost, score in zip(schemes, costs, scores, strict=True)
    ]
    figure = pictures.accuracy_cost({"here": rows})
    figure.draw_without_rendering()
    axis = figure.axes[0]
    assert [line.get_xydata().tolist() for line in axis.lines] == [[[a, b]] for a, b in zip(costs, scores, strict=True)]
    places = [line.get_transform().transform(line.get_xydata())[0] for line in axis.lines]
    asides = [x - axis.transData.transform((cost, 0))[0] for (x, _), cost in zip(places, costs, strict=True)]
    step = pictures.STEP * figure.dpi / 72
    np.testing.assert_allclose(asides, [-step, 0, step, 0, 0], atol=1e-6)
    box = axis.get_window_extent()
    assert all(box.contains(*place) for place in places)


def test_theta_computes_counts_clusters_and_scores(curves):
    effect = compute_theta(curves, FINAL, theta=90.0)
    for name, counts in (("early", EARLY), ("late", LATE)):
        assert effect.counts[name] == max(effect.clusters[name]) + 1
        merged = merge(counts, effect.clusters[name])
        share = merged.diagonal() / (merged.sum(0) + merged.sum(1) - merged.diagonal())
        assert effect.miou[name] == pytest.approx(share.mean())
    assert effect.counts["early"] == 2, "merged as planted it reaches the output"
    assert compute_theta(curves, FINAL, theta=0.0).counts == {"early": 4, "late": 4}
    with pytest.raises(ValueError, match="from 0"):
        compute_theta(curves, FINAL, theta=91.0)


def test_the_explorer_redraws_and_says_it_in_words(curves):
    explorer = theta_explorer({"spectral": curves, "same": curves}, FINAL, classes=CLASSES, reported={50.0: "As told."})
    assert "76 degrees: " in explorer.view.value
    shown = explorer.set(theta=0.0)
    assert "0 degrees: 4, 4 of 4 classes." in shown
    assert 'alt="mIoU against the number of classes' in shown
    assert "<td>road, pavement, car, sky</td>" in shown
    assert "road + pavement" in explorer.set(theta=90.0)
    assert "As told." in explorer.set(theta=50.0)
    explorer.controls["grouping"].value = "same"
    assert explorer.controls["theta"].description
    with pytest.raises(ValueError, match="draws one grouping at least"):
        theta_explorer({}, FINAL, classes=CLASSES)
