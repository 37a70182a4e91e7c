"""Reads a dataset's exports as others do: with pandas, zipfile and by COCO's own rules."""

import json
import sys
import zipfile
from io import BytesIO

import pandas
from lxml import etree

folder, signs, street = sys.argv[1:]

table = pandas.read_csv(f"{folder}/csv")
assert set(table["video_id"]) == {signs, street}
assert set(table[table["video_id"] == signs]["video"]) == {"signs.mp4"}
assert set(table[table["video_id"] == signs]["frame"]) == {0, 1, 2}
assert set(table[table["video_id"] == street]["frame"]) == {0, 1}
assert "NOPARKING" in set(table["text"].dropna())
assert table[table["video_id"] == street]["text"].isna().all()

with open(f"{folder}/coco", encoding="utf-8") as file:
    coco = json.load(file)
images = {image["id"]: image for image in coco["images"]}
assert len(images) == len(coco["images"]) == 5
assert {image["file_name"] for image in coco["images"]} == {
    *(f"{signs}/{frame:06}.jpg" for frame in range(3)),
    *(f"{street}/{frame:06}.jpg" for frame in range(2)),
}
names = {category["id"]: category["name"] for category in coco["categories"]}
assert len(coco["annotations"]) == len(table)
assert len({annotation["id"] for annotation in coco["annotations"]}) == len(table)
for annotation, (_, row) in zip(coco["annotations"], table.iterrows()):
    image = images[annotation["image_id"]]
    assert (image["video_id"], image["frame"]) == (row["video_id"], row["frame"])
    assert names[annotation["category_id"]] == row["label"]
    assert abs(annotation["bbox"][0] - row["x"]) < 1e-6

with zipfile.ZipFile(f"{folder}/yolo") as archive:
    assert archive.testzip() is None
    labels = [name for name in archive.namelist() if name.startswith("labels/")]
    assert len(labels) == 5
    classes = archive.read("classes.txt").decode().splitlines()
    lines = [line.split() for name in labels for line in archive.read(name).decode().splitlines()]
    assert len(lines) == len(table)
    assert {classes[int(line[0])] for line in lines} == set(table["label"])
    assert all(0 <= float(value) <= 1 for line in lines for value in line[1:])

# Of formats that hold one video, a file each.
files = {}
for format, ending in [("mot", "mot.csv"), ("cvat", "cvat.xml"), ("labelstudio", "labelstudio.json"), ("webvtt", "vtt")]:
    with zipfile.ZipFile(f"{folder}/{format}") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(f"{video}.{ending}" for video in (signs, street))
        for video in (signs, street):
            files[format, video] = archive.read(f"{video}.{ending}")
for video in (signs, street):
    count = len(table[table["video_id"] == video])
    assert len(pandas.read_csv(BytesIO(files["mot", video]), header=None)) == count
    assert len(etree.fromstring(files["cvat", video]).findall(".//box[@outside='0']")) == count
    (task,) = json.loads(files["labelstudio", video])
    assert task["data"]["video"] == f"/api/v1/videos/{video}/content"
    shapes = [shape for result in task["predictions"][0]["result"] for shape in result["value"]["sequence"]]
    assert sum(shape["enabled"] for shape in shapes) == count
    assert files["webvtt", video].startswith(b"WEBVTT")
