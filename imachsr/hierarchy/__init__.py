"""HS3 (Borse et al., BMVC 2021): how many classes each intermediate point can tell apart, and which to merge.

Axes: K classes, S clusters of them at a point, M points.
"""

from .clusters import affinity, canonical, clusters, clusters_by_k_means
from .embeddings import embeddings
from .fuse import FusedHead, channels_by_rule, fuse, lighter, operations
from .manual import MANUAL, halving, manual
from .measure import analysis_split, confusions
from .tradeoff import RATIO_DEGREES, Tradeoff, by_seen, class_count, merge, miou, tradeoff

__all__ = [
    "MANUAL",
    "RATIO_DEGREES",
    "FusedHead",
    "Tradeoff",
    "affinity",
    "analysis_split",
    "by_seen",
    "canonical",
    "channels_by_rule",
    "class_count",
    "clusters",
    "clusters_by_k_means",
    "confusions",
    "embeddings",
    "fuse",
    "halving",
    "lighter",
    "manual",
    "merge",
    "miou",
    "operations",
    "tradeoff",
]
