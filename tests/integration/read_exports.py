"""Reads each export of a result with a reader that is not ours, and compares it with the result.

lxml: CVAT; pandas: CSV and MOT; ffmpeg: WebVTT; zipfile: YOLO; json: COCO and Label Studio, by the
formats' published descriptions.
"""
import json
import subprocess
import sys
import zipfile

import pandas
from lxml import etree

folder = sys.argv[1]
result = json.load(open(f"{folder}/result.json"))
width, height = result["video"]["width"], result["video"]["height"]
boxes = [(frame["frame"], thing) for frame in result["frames"] for thing in frame["objects"]]
tracks = {thing["track_id"] for _, thing in boxes if "track_id" in thing}
assert len(boxes) > 300 and len(tracks) > 4, (len(boxes), len(tracks))
labels = sorted({thing["label"] for _, thing in boxes})


def near(a, b, tolerance=1e-6):
    assert len(a) == len(b) and all(abs(x - y) <= tolerance for x, y in zip(a, b)), (a, b)


table = pandas.read_csv(f"{folder}/csv")
assert len(table) == len(boxes)
for row, (frame, thing) in zip(table.itertuples(), boxes):
    assert row.frame == frame and row.label == thing["label"]
    near([row.x, row.y, row.width, row.height, row.confidence], thing["box"] + [thing["confidence"]])
    assert (thing.get("track_id") == row.track_id) or pandas.isna(row.track_id)

mot = pandas.read_csv(f"{folder}/mot", header=None)
assert mot.shape == (len(boxes), 10)
assert set(mot[1]) - {-1} == tracks and list(mot[0]) == [frame + 1 for frame, _ in boxes]

coco = json.load(open(f"{folder}/coco"))
assert [image["frame"] for image in coco["images"]] == [frame["frame"] for frame in result["frames"]]
images = {image["id"]: image for image in coco["images"]}
names = {category["id"]: category["name"] for category in coco["categories"]}
assert sorted(names.values()) == labels
assert len({note["id"] for note in coco["annotations"]}) == len(boxes)
for note, (frame, thing) in zip(coco["annotations"], boxes):
    assert images[note["image_id"]]["frame"] == frame and names[note["category_id"]] == thing["label"]
    near(note["bbox"], thing["box"])
    assert abs(note["area"] - thing["box"][2] * thing["box"][3]) < 1e-6 and note["iscrowd"] == 0

archive = zipfile.ZipFile(f"{folder}/yolo")
assert archive.testzip() is None
classes = archive.read("classes.txt").decode().splitlines()
assert classes == labels
for frame in result["frames"]:
    lines = archive.read(f"labels/{frame['frame']:06}.txt").decode().splitlines()
    assert len(lines) == len(frame["objects"])
    for line, thing in zip(lines, frame["objects"]):
        number, x, y, w, h = line.split()
        assert classes[int(number)] == thing["label"]
        x, y, w, h = float(x) * width, float(y) * height, float(w) * width, float(h) * height
        near([x - w / 2, y - h / 2, w, h], thing["box"], 0.01)

cvat = etree.parse(f"{folder}/cvat").getroot()
assert cvat.findtext("version") == "1.1" and cvat.findtext("meta/task/mode") == "interpolation"
shown = [box for box in cvat.iter("box") if box.get("outside") == "0"]
assert len(shown) == len(boxes)
assert {track.get("id") for track in cvat.iter("track")} == {
    str(number) for number in range(len(cvat.findall("track")))}
assert len(cvat.findall("track")) == len(tracks) + sum("track_id" not in thing for _, thing in boxes)
expected = sorted((frame, round(thing["box"][0], 2)) for frame, thing in boxes)
near([x for pair in sorted((int(b.get("frame")), float(b.get("xtl"))) for b in shown) for x in pair],
     [x for pair in expected for x in pair], 0.011)

[task] = json.load(open(f"{folder}/labelstudio"))
[prediction] = task["predictions"]
assert len(prediction["result"]) == len(cvat.findall("track"))
shapes = [shape for each in prediction["result"] for shape in each["value"]["sequence"] if shape["enabled"]]
assert len(shapes) == len(boxes) and all(each["type"] == "videorectangle" for each in prediction["result"])
near(sorted(shape["x"] / 100 * width for shape in shapes), sorted(thing["box"][0] for _, thing in boxes), 1e-3)

cues = subprocess.run(["ffmpeg", "-v", "error", "-f", "webvtt", "-i", f"{folder}/webvtt", "-f", "srt", "-"],
                      check=True, capture_output=True, text=True).stdout
assert cues.count(" --> ") == open(f"{folder}/webvtt").read().count(" --> ") > 0
first = {}
for thing in result["frames"][0]["objects"]:
    first[thing["label"]] = first.get(thing["label"], 0) + 1
assert ", ".join(f"{first[label]} {label}" for label in sorted(first)) in cues
