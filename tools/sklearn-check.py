#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sklearn-check.py RUN…: holds the figures of report.json in each run's folder against scikit-learn's (1.9), computed from
the predictions.jsonl of the same run. Every figure that scikit-learn has must agree to 1e-9; prints how many did, and each
that doesn't. Needs numpy and scikit-learn, nothing of heed."""
import json
import math
import pathlib
import sys
import warnings

import numpy as np
from sklearn import metrics as M
from sklearn.calibration import calibration_curve

warnings.filterwarnings("ignore")
SLACK = 1e-9


class Check:
    def __init__(self, run):
        self.run, self.seen, self.faults, self.worst = run, 0, [], 0.0

    def near(self, name, ours, theirs):
        self.seen += 1
        if ours is None or theirs is None or math.isnan(theirs):
            if ours is not None or not (theirs is None or math.isnan(theirs)):
                self.faults.append(f"{name}: {ours} here, {theirs} by scikit-learn")
            return
        off = abs(ours - theirs) / max(1.0, abs(theirs))
        self.worst = max(self.worst, off)
        if not off <= SLACK:
            self.faults.append(f"{name}: {ours!r} here, {theirs!r} by scikit-learn")


def floats(rows):
    """Scores are float32, written with the digits that read back as the same; what is computed of them is double."""
    return np.array(rows, dtype=np.float32).astype(np.float64)


def area(truth, score, of):
    return of(truth, score) if 0 < truth.sum() < len(truth) else math.nan


def classes(check, name, said, truth, scores):
    k = scores.shape[1]
    labels, best = list(range(k)), scores.argmax(1)
    hot = np.eye(k)[truth]
    near = lambda figure, value: check.near(f"{name}.{figure}", said.get(figure), value)
    near("accuracy", M.accuracy_score(truth, best))
    near("balanced_accuracy", M.balanced_accuracy_score(truth, best))
    near("f1_macro", M.f1_score(truth, best, labels=labels, average="macro", zero_division=0))
    near("mcc", M.matthews_corrcoef(truth, best))
    near("kappa", M.cohen_kappa_score(truth, best))
    near("log_loss", M.log_loss(truth, scores, labels=labels))
    near("brier", M.brier_score_loss(truth, scores, labels=labels))
    columns = [1] if k == 2 else labels
    aucs = [area(hot[:, c], scores[:, c], M.roc_auc_score) for c in columns]
    aps = [M.average_precision_score(hot[:, c], scores[:, c]) if hot[:, c].any() else math.nan for c in columns]
    near("auc", np.nanmean(aucs) if not np.isnan(aucs).all() else math.nan)
    near("average_precision", np.nanmean(aps) if not np.isnan(aps).all() else math.nan)
    if k > 2 and not np.isnan(aucs).any() and np.allclose(scores.sum(1), 1):
        near("auc", M.roc_auc_score(truth, scores, multi_class="ovr", labels=labels))
    if k == 2:
        near("precision", M.precision_score(truth, best, zero_division=0))
        near("recall", M.recall_score(truth, best, zero_division=0))
        near("f1", M.f1_score(truth, best, zero_division=0))
    tables(check, name, said, truth, scores, best, labels, aucs, aps)
    curves(check, name, said, hot, scores, columns)
    reliability(check, name, said, truth, scores, best)


def tables(check, name, said, truth, scores, best, labels, aucs, aps):
    by_class = M.precision_recall_fscore_support(truth, best, labels=labels, zero_division=0)
    for c, row in enumerate(said["per_class"]):
        for figure, values in zip(("precision", "recall", "f1", "support"), by_class):
            check.near(f"{name}.per_class.{c}.{figure}", row[figure], float(values[c]))
        if len(labels) > 2:
            check.near(f"{name}.per_class.{c}.auc", row["auc"], aucs[c])
            check.near(f"{name}.per_class.{c}.average_precision", row["average_precision"], aps[c])
    for average, row in said["averages"].items():
        values = M.precision_recall_fscore_support(truth, best, labels=labels, average=average, zero_division=0)
        for figure, value in zip(("precision", "recall", "f1"), values):
            check.near(f"{name}.averages.{average}.{figure}", row[figure], value)
    if "confusion" in said:
        off = np.abs(np.array(said["confusion"]) - M.confusion_matrix(truth, best, labels=labels)).sum()
        check.near(f"{name}.confusion", float(off), 0.0)


def curves(check, name, said, hot, scores, columns):
    """Curves are thinned: every point must be one of the full curve."""
    for curve in said["roc"]:
        c = [i for i in columns if said["classes"][i] == curve["class"]][0]
        fpr, tpr, at = M.roc_curve(hot[:, c], scores[:, c], drop_intermediate=False)
        place = {float(t): (x, y) for x, y, t in zip(fpr, tpr, at)}
        for x, y, t in zip(curve["fpr"], curve["tpr"], curve["threshold"]):
            theirs = (0.0, 0.0) if t is None else place[float(np.float32(t))]
            check.near(f"{name}.roc.{c}.fpr", x, float(theirs[0]))
            check.near(f"{name}.roc.{c}.tpr", y, float(theirs[1]))
    for curve in said["pr"]:
        c = [i for i in columns if said["classes"][i] == curve["class"]][0]
        precision, recall, at = M.precision_recall_curve(hot[:, c], scores[:, c])
        place = {float(t): (p, r) for p, r, t in zip(precision, recall, at)}
        for p, r, t in zip(curve["precision"], curve["recall"], curve["threshold"]):
            theirs = (1.0, 0.0) if t is None else place[float(np.float32(t))]
            check.near(f"{name}.pr.{c}.precision", p, float(theirs[0]))
            check.near(f"{name}.pr.{c}.recall", r, float(theirs[1]))


def reliability(check, name, said, truth, scores, best):
    bins = said["calibration"]["bins"]
    two = scores.shape[1] == 2
    score = scores[:, 1] if two else scores.max(1)
    right = (truth == 1 if two else truth == best).astype(int)
    share, mean = calibration_curve(right, score, n_bins=len(bins))
    full = [b for b in bins if b["n"]]
    check.near(f"{name}.calibration.bins", float(len(full)), float(len(share)))
    for b, s, m in zip(full, share, mean):
        check.near(f"{name}.calibration.accuracy", b["accuracy"], float(s))
        check.near(f"{name}.calibration.confidence", b["confidence"], float(m))
    weights = np.array([b["n"] for b in full]) / len(truth)
    check.near(f"{name}.calibration.ece", said["calibration"]["ece"], float((weights * np.abs(share - mean)).sum()))


def values(check, name, said, truth, scores):
    near = lambda figure, value: check.near(f"{name}.{figure}", said.get(figure), float(value))
    near("mae", M.mean_absolute_error(truth, scores))
    near("mse", M.mean_squared_error(truth, scores))
    near("rmse", M.root_mean_squared_error(truth, scores))
    near("r2", M.r2_score(truth, scores))
    if "mape" in said:  # left out where values were shifted: it says nothing there
        near("mape", M.mean_absolute_percentage_error(truth, scores))
    near("median_ae", M.median_absolute_error(truth, scores))
    near("max_error", max(M.max_error(truth[:, j], scores[:, j]) for j in range(truth.shape[1])))
    for j, row in enumerate(said["outputs"]):
        check.near(f"{name}.outputs.{j}.mse", row["mse"], M.mean_squared_error(truth[:, j], scores[:, j]))
        check.near(f"{name}.outputs.{j}.r2", row["r2"], M.r2_score(truth[:, j], scores[:, j]))
        check.near(f"{name}.outputs.{j}.median_ae", row["median_ae"],
                   M.median_absolute_error(truth[:, j], scores[:, j]))
    counts = np.histogram((scores - truth).ravel(), bins=len(said["residuals"]["counts"]))[0]
    off = np.abs(counts - np.array(said["residuals"]["counts"])).sum() / 2
    check.near(f"{name}.residuals", float(off <= max(2, 1e-4 * counts.sum())), 1.0)  # values on an edge may fall either way


def main():
    bad = 0
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for run in map(pathlib.Path, sys.argv[1:]):
        check = Check(run)
        report = json.loads((run / "report.json").read_text(encoding="utf-8"))
        rows = [json.loads(line) for line in (run / "predictions.jsonl").open(encoding="utf-8")]
        for model in report["models"]:
            if not model.get("evaluation") or model["name"] not in rows[0]["scores"]:
                continue
            scores = floats([row["scores"][model["name"]] for row in rows])
            if report["task"] == "classes":
                classes(check, model["name"], model["evaluation"], np.array([row["truth"] for row in rows]), scores)
            else:
                truth = floats([row["truth"] for row in rows])
                values(check, model["name"], model["evaluation"], truth.reshape(len(rows), -1), scores)
        bad += len(check.faults)
        print(f"{run}: {check.seen} figures, {len(check.faults)} differ, largest difference {check.worst:.1e}")
        print("\n".join("  " + fault for fault in check.faults[:20]), end="\n" if check.faults else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
