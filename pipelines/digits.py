"""Read handwritten digits: from scans to a calibrated model that is promoted as `digits@champion`.

1,797 scans of 8 by 8 pixels, bundled with scikit-learn. Five blocks of features are measured apart and joined; four
kinds of models are trained over several settings each; the best on the validation rows is calibrated and judged on
rows that nothing has seen, beside two stated baselines (the most frequent digit, the nearest mean). It is promoted if
it is good enough overall and for each digit, beats the baselines, can be trusted when it is sure, and is no worse than
the champion.
"""

from pathlib import Path

import flowkit as fk
from pipelines.digits_steps import data, features, models, reports

STRENGTHS = [0.01, 0.1, 1.0]
NEIGHBOURS = [1, 3, 7]
SMOOTHINGS = [0.001, 0.01, 0.1]
TREES = [50, 150]
SETTINGS: dict[str, list[float]] = {
    "linear": STRENGTHS,
    "neighbours": [*NEIGHBOURS],
    "bayes": SMOOTHINGS,
    "trees": [*TREES],
}


@fk.pipeline
def digits(
    seed: int = 0,
    train_share: float = 0.6,
    darkness: float = 0.3,
    bins: int = 10,
    min_accuracy: float = 0.95,
    min_recall: float = 0.8,
    min_lift: float = 0.03,
    max_calibration_error: float = 0.05,
) -> Path:
    """From scans to a model promoted as `digits@champion`, and a report on it.

    Args:
        seed: Of what is drawn: the parts and the trees.
        train_share: Share of the scans that teaches; below 0.8.
        darkness: From where on a pixel counts as ink that encloses paper, 0 to 1.
        bins: Ranges of confidence in the report.
        min_accuracy: Share of scans that must be read right.
        min_recall: Share of each digit's scans that must be read right.
        min_lift: Accuracy by which the best baseline must be beaten.
        max_calibration_error: Mean distance allowed between how sure the model is and how often it is right.
    """
    scans = data.validate(data.ingest())
    examples = features.join_features(
        scans,
        features.measure_projections(scans),
        features.measure_zones(scans),
        features.measure_symmetry(scans),
        features.measure_edges(scans),
        features.measure_holes(scans, darkness=darkness),
    )
    parts = data.split(examples, data.assign_parts(scans, train_share=train_share, seed=seed))

    trained = {
        "linear": models.train_linear(parts.train, strength=fk.each(STRENGTHS)),
        "neighbours": models.train_neighbours(parts.train, neighbours=fk.each(NEIGHBOURS)),
        "bayes": models.train_bayes(parts.train, smoothing=fk.each(SMOOTHINGS)),
        "trees": models.train_trees(parts.train, trees=fk.each(TREES), seed=seed),
    }
    scores = {family: models.measure_accuracy(model, parts.validation) for family, model in trained.items()}
    ranking = models.rank_candidates({family: fk.collect(score) for family, score in scores.items()}, SETTINGS)
    chosen = models.choose({family: fk.collect(model) for family, model in trained.items()}, ranking)
    model = models.calibrate(chosen, parts.validation)

    majority, centroid = models.train_majority(parts.train), models.train_centroid(parts.train)
    metrics = reports.evaluate(model, parts.test, [majority, centroid])
    champion = fk.champion("digits", models.CalibratedModel)
    fk.promote(
        model,
        to="digits@champion",
        metrics=metrics,
        baseline=reports.evaluate(champion, parts.test, [majority, centroid]),
        gates=[
            fk.at_least("accuracy", min_accuracy),
            *(fk.at_least(f"recall_{digit}", min_recall) for digit in data.DIGITS),
            fk.at_least("lift", min_lift),
            fk.at_most("calibration_error", max_calibration_error),
            fk.no_worse_than("accuracy", tolerance=0.01),
        ],
    )
    return reports.write_report(
        metrics,
        {
            "majority": models.measure_accuracy.named("majority_accuracy")(majority, parts.test),
            "centroid": models.measure_accuracy.named("centroid_accuracy")(centroid, parts.test),
        },
        ranking,
        reports.count_confusions(model, parts.test),
        reports.list_mistakes(model, parts.test),
        reports.measure_reliability(model, parts.test, bins=bins),
    )
