"""The paper's tables as data are the tables it prints."""

import json
from collections import Counter

import pytest

from conftest import REPOSITORY

# a table's number -> (its heading as printed, printed column -> name in the data)
PRINTED = {
    1: ("Network\tDS\tHS3\tmIoU", {"mIoU": "mIoU", "GMACs (Inference)": "GMACs"}),
    2: ("Network\tBackbone\tMulti-Scale", {"mIoU": "mIoU", "Pixel-acc": "pixel_accuracy"}),
    3: ("Network\tBackbone\tDS", {"mIoU": "mIoU", "GMACs": "GMACs"}),
    4: ("Method\tBackbone", {"mIoU": "mIoU", "iIoU": "iIoU"}),
    5: ("θ\t", {"θ": "theta", "K_1": "K1", "K_2": "K2", "mIoU": "mIoU"}),
    6: ("Auxiliary Supervision", {"mIoU": "mIoU"}),
}


def number(cell):
    return float(cell.rstrip("°").replace("5.8K", "5800")) if cell != "-" else None


@pytest.mark.parametrize("table", PRINTED)
def test_every_number_of_the_table_is_there(table, shared):
    heading, columns = PRINTED[table]
    lines = (shared / "papers/HS3.md").read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(heading))
    names = lines[start].split("\t")
    printed = []
    for line in lines[start + 1 :]:
        if "\t" not in line:
            break
        cells = dict(zip(names, line.split("\t"), strict=True))
        printed.append(tuple(number(cells[name]) for name in columns))
    kept = json.loads((REPOSITORY / "data/papers/hs3.json").read_text())[f"table{table}"]["rows"]
    ours = [tuple(row.get(name) for name in columns.values()) for row in kept]
    assert Counter(ours) == Counter(printed)
