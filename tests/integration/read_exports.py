"""Reads each export of a result with a reader that is not ours, and compares it with the result.

lxml: CVAT; pandas: CSV and MOT; ffmpeg: WebVTT; zipfile: YOLO; json: COCO and Label Studio, by the
formats' published descriptions, COCO also by an average precision known by hand.
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



def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def average_precision(truth, found):
    """COCO's AP at an overlap of 0.5 of one category: mean over 101 recalls of the best precision there."""
    taken, hits = set(), []
    for thing in sorted(found, key=lambda each: -each["score"]):
        free = [note for note in truth if note["image_id"] == thing["image_id"] and note["id"] not in taken]
        best = max(free, key=lambda note: overlap(note["bbox"], thing["bbox"]), default=None)
        hit = best is not None and overlap(best["bbox"], thing["bbox"]) >= 0.5
        if hit:
            taken.add(best["id"])
        hits.append(hit)
    points = [(sum(hits[:i + 1]) / len(truth), sum(hits[:i + 1]) / (i + 1)) for i in range(len(hits))]
    return sum(max((p for r, p in points if r >= i / 100 - 1e-12), default=0) for i in range(101)) / 101


# By hand: what was found is all of it, then only the surest half of it, the rest being beside it.
people = next(number for number, name in names.items() if name == "person")
truth = [note for note in coco["annotations"] if note["category_id"] == people]
found = [{"image_id": note["image_id"], "score": 1 / (i + 1), "bbox": list(note["bbox"])}
         for i, note in enumerate(truth)]
assert len(truth) > 100 and average_precision(truth, found) == 1
for thing in found[len(found) // 2:]:
    thing["bbox"][0] += 10_000
half = (100 * (len(found) // 2)) // len(found) + 1
assert abs(average_precision(truth, found) - half / 101) < 1e-12

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
