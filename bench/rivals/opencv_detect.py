"""What somebody would write: OpenCV decodes, resizes, draws and encodes, ONNX Runtime's C library runs
the model, by ctypes, with all threads on a frame. Prints frames a second and peak memory as JSON.

Usage: opencv_detect.py CLIP MODEL.onnx LIBONNXRUNTIME.so THREADS OUT.zip
"""

import ctypes
import json
import os
import resource
import sys
import time
import zipfile

import cv2
import numpy

clip, model, library, threads, out = sys.argv[1:]
INPUT, OUTPUT, SIDE, LEAST = b"tower_0/images", b"tower_0/detections", 512, 0.3
LABELS = json.load(open(model.replace(".onnx", ".json"), encoding="utf-8"))["labels"]


class Api(ctypes.Structure):
    """OrtApiBase."""

    _fields_ = [("get_api", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)), ("version", ctypes.c_void_p)]


class Session:
    """A model by the C API: a table of functions, in the order of its header."""

    ORDER = {
        "GetErrorMessage": 2, "CreateEnv": 3, "CreateSession": 7, "Run": 9, "CreateSessionOptions": 10,
        "SetIntraOpNumThreads": 24, "CreateTensorWithDataAsOrtValue": 49, "GetTensorMutableData": 51,
        "GetDimensionsCount": 61, "GetDimensions": 62, "GetTensorTypeAndShape": 65, "CreateCpuMemoryInfo": 69,
        "ReleaseValue": 96, "ReleaseTensorTypeAndShapeInfo": 99,
    }

    def __init__(self):
        base = ctypes.CDLL(library).OrtGetApiBase
        base.restype = ctypes.POINTER(Api)
        self.table = ctypes.cast(base().contents.get_api(12), ctypes.POINTER(ctypes.c_void_p))
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as ours
        environment, options, self.session, self.memory = (ctypes.c_void_p() for _ in range(4))
        self.call("CreateEnv", 3, b"rival", ctypes.byref(environment))
        self.call("CreateSessionOptions", ctypes.byref(options))
        self.call("SetIntraOpNumThreads", options, int(threads))
        self.call("CreateSession", environment, model.encode(), options, ctypes.byref(self.session))
        self.call("CreateCpuMemoryInfo", 0, 0, ctypes.byref(self.memory))

    def function(self, name, result=ctypes.c_void_p):
        return ctypes.CFUNCTYPE(result)(self.table[self.ORDER[name]])

    def call(self, name, *arguments):
        error = self.function(name)(*arguments)
        if error:
            raise RuntimeError(self.function("GetErrorMessage", ctypes.c_char_p)(ctypes.c_void_p(error)))

    def run(self, values):
        shape = (ctypes.c_int64 * 4)(*values.shape)
        fed, found, facts = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        data = values.ctypes.data_as(ctypes.c_void_p)
        self.call("CreateTensorWithDataAsOrtValue", self.memory, data, ctypes.c_size_t(values.nbytes), shape,
                  ctypes.c_size_t(4), 1, ctypes.byref(fed))
        self.call("Run", self.session, None, (ctypes.c_char_p * 1)(INPUT), (ctypes.c_void_p * 1)(fed),
                  ctypes.c_size_t(1), (ctypes.c_char_p * 1)(OUTPUT), ctypes.c_size_t(1), ctypes.byref(found))
        numbers, count = ctypes.c_void_p(), ctypes.c_size_t()
        self.call("GetTensorMutableData", found, ctypes.byref(numbers))
        self.call("GetTensorTypeAndShape", found, ctypes.byref(facts))
        self.call("GetDimensionsCount", facts, ctypes.byref(count))
        sides = (ctypes.c_int64 * count.value)()
        self.call("GetDimensions", facts, sides, count)
        rows = ctypes.cast(numbers, ctypes.POINTER(ctypes.c_float))
        boxes = numpy.ctypeslib.as_array(rows, tuple(sides)).reshape(-1, 6).copy()
        self.function("ReleaseTensorTypeAndShapeInfo", None)(facts)
        for value in (fed, found):
            self.function("ReleaseValue", None)(value)
        return boxes


session = Session()
session.run(numpy.zeros((1, SIDE, SIDE, 3), numpy.float32))  # warm
cv2.setNumThreads(int(threads))
started = time.monotonic()
frames = objects = 0
with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
    video = cv2.VideoCapture(clip)
    while True:
        there, picture = video.read()
        if not there:
            break
        height, width = picture.shape[:2]
        small = cv2.cvtColor(cv2.resize(picture, (SIDE, SIDE)), cv2.COLOR_BGR2RGB)
        for left, top, right, bottom, score, number in session.run(small.astype(numpy.float32)[None]):
            if score < LEAST:
                continue
            objects += 1
            corner = (int(left * width / SIDE), int(top * height / SIDE))
            other = (int(right * width / SIDE), int(bottom * height / SIDE))
            cv2.rectangle(picture, corner, other, (0, 160, 0), 2)
            text = f"{LABELS[int(number)]} {score:.0%}"
            cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
        archive.writestr(f"{frames:06}.jpg", jpeg.tobytes())
        frames += 1
seconds = time.monotonic() - started
print(json.dumps({"rate": frames / seconds, "objects": objects,
                  "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
