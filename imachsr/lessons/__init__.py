"""What makes a notebook a lesson: predictions, exercises that check themselves, a zoo of bugs, versions for a class.

lessons.predict("03.ceiling", "What is the largest value?", ["log K", "H(Y)"])   ... later ...
lessons.reveal("03.ceiling", "H(Y)")
lessons.check("03.entropy", negative_entropy)
lessons.bug(1); lessons.found(1, "detached features")
"""

from .bugs import BUGS, Bug, bug, found, mended
from .check import Verdict, check
from .exercise import Exercise
from .exercises import EXERCISES, exercise
from .minutes import minutes
from .predictions import Prediction, Score, forget, predict, reveal, score
from .versions import AUDIENCES, export, version

__all__ = [
    "AUDIENCES",
    "BUGS",
    "EXERCISES",
    "Bug",
    "Exercise",
    "Prediction",
    "Score",
    "Verdict",
    "bug",
    "check",
    "exercise",
    "export",
    "forget",
    "found",
    "mended",
    "minutes",
    "predict",
    "reveal",
    "score",
    "version",
]
