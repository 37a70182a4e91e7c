// Goal: the converted model computes what the TensorFlow Lite file says.
// Method: its operators one by one with TensorFlow.js (pure JavaScript backend) on a real image, against ONNX Runtime with
// the converted model; then files that must be refused.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import jpeg from 'jpeg-js';
import { encode } from '../onnx-graph.mjs';
import { convertTflite, numbersOf } from '../tflite-to-onnx.mjs';
import { readTflite } from '../tflite.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
process.env.ORT_DISABLE_TELEMETRY = '1'; // it reports to its maker otherwise
const ort = createRequire(import.meta.url)('onnxruntime-node');
const packaged = await readFile(path.join(here,
  '../node_modules/@mediapipe/objectron/objectron_solution_packed_assets.data'));
const file = packaged.subarray(184);
const SIZE = 300;

// The street, -1 to 1; every pixel of the small picture is one of the large.
async function readStreet() {
  const { data, width } = jpeg.decode(await readFile(path.join(here, '../../../models/street.jpg')), { useTArray: true });
  const pixels = new Float32Array(SIZE * SIZE * 3);
  for (let i = 0; i < pixels.length; i++) {
    const [y, x, c] = [Math.floor(i / 3 / SIZE), Math.floor(i / 3) % SIZE, i % 3];
    const at = (Math.floor(y * width / SIZE) * width + Math.floor(x * width / SIZE)) * 4 + c;
    pixels[i] = data[at] / 127.5 - 1;
  }
  return pixels;
}

function runOperators({ tensors, operators, inputs, outputs }, pixels) {
  const values = new Map([[inputs[0], tf.tensor(pixels, tensors[inputs[0]].shape)]]);
  const value = (i) => {
    if (!values.has(i)) values.set(i, tf.tensor(numbersOf(tensors[i]), tensors[i].shape));
    return values.get(i);
  };
  const activated = (x, kind) => (kind === 'Relu6' ? tf.relu6(x) : kind === 'Relu' ? tf.relu(x) : x);
  const run = {
    CONV_2D: ([x, filter, bias], { padding, strides, dilations, activation }) => activated(tf.add(
      tf.conv2d(x, tf.transpose(filter, [1, 2, 3, 0]), strides, padding.toLowerCase(), 'NHWC', dilations), bias), activation),
    DEPTHWISE_CONV_2D: ([x, filter, bias], { padding, strides, dilations, activation }) => activated(tf.add(
      tf.depthwiseConv2d(x, tf.transpose(filter, [1, 2, 3, 0]), strides, padding.toLowerCase(), 'NHWC', dilations), bias),
    activation),
    DEQUANTIZE: ([x]) => x,
    ADD: ([a, b]) => tf.add(a, b),
    CONCATENATION: (all, { axis }) => tf.concat(all, axis),
    RESHAPE: ([x, shape]) => tf.reshape(x, Array.from(shape.dataSync())),
  };
  for (const operator of operators) {
    values.set(operator.outputs[0], run[operator.kind](operator.inputs.map(value), operator.options));
  }
  return outputs.map((i) => value(i).dataSync());
}

test('SSD MobileNetV2: every output equals that of the same operators in TensorFlow.js', async () => {
  await tf.setBackend('cpu');
  const pixels = await readStreet();
  const model = readTflite(file);
  const expected = runOperators(model, pixels);
  const session = await ort.InferenceSession.create(await encode(convertTflite(model)));
  const actual = await session.run(
    { normalized_input_image_tensor: new ort.Tensor('float32', pixels, [1, SIZE, SIZE, 3]) });
  model.outputs.forEach((number, i) => {
    const { name, shape } = model.tensors[number];
    const { dims, data } = actual[name];
    assert.deepEqual(dims, shape);
    const difference = expected[i].reduce((most, value, at) => Math.max(most, Math.abs(value - data[at])), 0);
    const largest = expected[i].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    console.log(`${name}: largest difference ${difference.toExponential(2)} of values to ${largest.toFixed(1)}`);
    assert.ok(largest > 1 && difference < 1e-3);
  });
});

test('the same input gives the same bytes', async () => {
  assert.deepEqual(await encode(convertTflite(readTflite(file))), await encode(convertTflite(readTflite(file))));
});

test('what cannot be converted faithfully is refused by name', () => {
  assert.throws(() => readTflite(packaged), /no TensorFlow Lite model/);
  assert.throws(() => readTflite(Buffer.alloc(4)), /no TensorFlow Lite model/);
  assert.throws(() => readTflite(file.subarray(0, 4_000)), RangeError);
  const model = readTflite(file);
  const filter = model.operators.find(({ kind }) => kind === 'DEQUANTIZE').inputs[0];
  const cut = model.tensors.map((tensor, i) => (i === filter ? { ...tensor, bytes: tensor.bytes.subarray(2) } : tensor));
  assert.throws(() => convertTflite({ ...model, tensors: cut }), /not as many numbers as its shape says/);
  const activated = model.operators.map((operator) => (operator.kind === 'ADD'
    ? { ...operator, options: { activation: 'Relu' } } : operator));
  assert.throws(() => convertTflite({ ...model, operators: activated }), /ADD with Relu is not supported/);
});
