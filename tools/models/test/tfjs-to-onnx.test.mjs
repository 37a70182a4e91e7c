// Goal: the converted model computes what the packaged one computes.
// Method: run a real image through TensorFlow.js (pure JavaScript backend) and through ONNX Runtime
// and compare every number of the output; then give the converter input it must refuse.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import jpeg from 'jpeg-js';
import { convertFile, convertGraph, unpackWeights } from '../tfjs-to-onnx.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
process.env.ORT_DISABLE_TELEMETRY = '1'; // it reports to its maker otherwise
const ort = require('onnxruntime-node');
const models = path.join(here, '../node_modules/@vladmandic/human/models');
const modelPath = path.join(models, 'centernet.json');

async function readImage(file, size) {
  const { data, width, height } = jpeg.decode(await readFile(path.join(here, '../../../models', file)), { useTArray: true });
  assert.deepEqual([width, height], [size, size]);
  const rgb = new Float32Array(size * size * 3);
  for (let i = 0; i < size * size; i++) for (let c = 0; c < 3; c++) rgb[i * 3 + c] = data[i * 4 + c];
  return rgb;
}

async function runTfjs(modelPath, input, outputs) {
  await tf.setBackend('cpu');
  const json = JSON.parse(await readFile(modelPath, 'utf8'));
  const weights = await readFile(path.join(path.dirname(modelPath), json.weightsManifest[0].paths[0]));
  const model = await loadGraphModel({
    load: async () => ({
      modelTopology: json.modelTopology, format: json.format, signature: json.signature,
      weightSpecs: json.weightsManifest[0].weights,
      weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
    }),
  });
  const results = model.execute(tf.tensor4d(input.data, input.dims, input.type), outputs);
  return [results].flat().map((tensor) => tensor.dataSync());
}

const largestDifference = (a, b) => {
  assert.equal(a.length, b.length);
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i])), 0);
};

test('CenterNet: every output equals that of TensorFlow.js on a real image', async () => {
  const input = new ort.Tensor('float32', await readImage('street.jpg', 512), [1, 512, 512, 3]);
  const outputs = ['tower_0/keypoints', 'tower_0/wh', 'tower_0/detections'];
  const expected = await runTfjs(modelPath, input, outputs);
  const session = await ort.InferenceSession.create(await convertFile(modelPath, outputs));
  const actual = await session.run({ 'tower_0/images': input });

  const differences = outputs.map((name, i) => largestDifference(expected[i], actual[name].data));
  console.log(outputs.map((name, i) => `${name}: largest difference ${differences[i].toExponential(2)}`).join('\n'));
  assert.ok(differences[0] < 1e-4, 'class scores (0..1)');
  assert.ok(differences[1] < 1e-2, 'box extents (pixels)');
  const people = Array.from({ length: 100 }, (_, i) => actual[outputs[2]].data.slice(i * 6, i * 6 + 6))
    .filter((row) => row[4] > 0.3 && row[5] === 0);
  assert.ok(people.length >= 3, `people found on the street: ${people.length}`);
  // Rows of nearly equal score may change places; those that count as detections must not.
  const sure = expected[2].reduce((n, _, i) => n + (i % 6 === 4 && expected[2][i] > 0.2 ? 1 : 0), 0);
  const top = largestDifference(expected[2].slice(0, sure * 6), actual[outputs[2]].data.slice(0, sure * 6));
  console.log(`the ${sure} detections above 0.2: largest difference ${top.toExponential(2)} (pixels, score, class)`);
  assert.ok(sure > 0 && top < 1e-2);
});

test('MoveNet: every output equals that of TensorFlow.js on a real image', async () => {
  const file = path.join(models, 'movenet-lightning.json');
  const pixels = Int32Array.from(await readImage('astronaut.jpg', 192));
  const input = new ort.Tensor('int32', pixels, [1, 192, 192, 3]);
  const [expected] = await runTfjs(file, input, ['Identity:0']);
  const session = await ort.InferenceSession.create(await convertFile(file));
  const { Identity: actual } = await session.run({ input });
  assert.deepEqual(actual.dims, [1, 1, 17, 3]);
  const difference = largestDifference(expected, actual.data);
  console.log(`17 keypoints: largest difference ${difference.toExponential(2)} (shares of the input, score)`);
  assert.ok(difference < 1e-3);
  // Eyes, nose and shoulders are in the picture, and what is not is told apart from them.
  for (const seen of [0, 1, 2, 5, 6]) assert.ok(actual.data[seen * 3 + 2] > 0.3, `keypoint ${seen}`);
  assert.ok(actual.data[15 * 3 + 2] < 0.3 && actual.data[16 * 3 + 2] < 0.3, 'ankles');
});

test('the same input gives the same bytes, and unused heads are dropped', async () => {
  const whole = await convertFile(modelPath);
  const head = await convertFile(modelPath, ['tower_0/detections']);
  assert.deepEqual(await convertFile(modelPath, ['tower_0/detections']), head);
  assert.ok(head.length <= whole.length && head.length < 9_000_000);
});

test('float16 weights are unpacked exactly', () => {
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x7c00);
  const manifest = [{ name: 'w', shape: [6], dtype: 'float32', quantization: { dtype: 'float16' } }];
  const { data } = unpackWeights(manifest, Buffer.from(halves.buffer)).get('w');
  assert.deepEqual(Array.from(data), [1, -2, 2 ** -24, 65504, -0, Infinity]);
});

test('what cannot be converted faithfully is refused by name', async () => {
  const node = { name: 'x', op: 'Tan', input: [], attr: {} };
  const model = { modelTopology: { node: [node] }, signature: { outputs: {} } };
  assert.throws(() => convertGraph(model, new Map(), ['x']), /x: operator Tan is not supported/);
  assert.throws(() => convertGraph(model, new Map(), ['y']), /no node y/);
  assert.throws(() => unpackWeights([{ name: 'w', shape: [4], dtype: 'float32' }], Buffer.alloc(8)), /too early/);
  assert.throws(() => unpackWeights([], Buffer.alloc(8)), /8 bytes too many/);
  await assert.rejects(convertFile(modelPath, ['nothing']), /no output nothing; it has: tower_0/);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tfjs-to-onnx-'));
  try {
    await writeFile(path.join(folder, 'model.json'), '{"format":"layers-model"}');
    await assert.rejects(convertFile(path.join(folder, 'model.json')), /no TensorFlow.js graph model/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
