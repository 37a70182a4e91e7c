// Converts a TensorFlow.js graph model (model.json + weights) to ONNX.
//
//   node tfjs-to-onnx.mjs MODEL.json OUT.onnx [--output NAME]...
//
// Only what the requested outputs need is written, so unused heads and initializers disappear. An operator or attribute
// that is not known here stops the conversion: a silent approximation would be a wrong model.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  BOOL, FLOAT, GraphBuilder, INT32, INT64, convertCommand, elementCount, encode, isCommand, transpose, unpackFloat16,
} from './onnx-graph.mjs';

const ONNX_TYPE = { DT_FLOAT: FLOAT, DT_INT32: INT32, DT_INT64: INT64, DT_BOOL: BOOL };

// Reads the weights of a model: name -> { shape, data: Float32Array | Int32Array }.
export function unpackWeights(manifest, bytes) {
  const weights = new Map();
  let offset = 0;
  for (const { name, shape, dtype, quantization } of manifest) {
    const count = elementCount(shape);
    const stored = quantization?.dtype ?? dtype;
    const width = { float16: 2, float32: 4, int32: 4 }[stored];
    if (!width) throw new Error(`weight ${name}: stored as ${stored}, which is not supported`);
    const raw = bytes.subarray(offset, offset + count * width);
    if (raw.length !== count * width) throw new Error(`weight ${name}: the weights file ends too early`);
    offset += count * width;
    const copy = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength);
    const data = stored === 'float16' ? unpackFloat16(raw)
      : stored === 'int32' ? new Int32Array(copy) : new Float32Array(copy);
    weights.set(name, { shape, data });
  }
  if (offset !== bytes.length) throw new Error(`the weights file has ${bytes.length - offset} bytes too many`);
  return weights;
}

const text = (attr) => Buffer.from(attr.s, 'base64').toString();
const ints = (attr) => attr.list.i.map(Number);

// Spatial attributes shared by convolutions and pooling. TensorFlow's SAME puts the odd pixel at
// the end, which is ONNX's SAME_UPPER.
function spatial(node) {
  if (text(node.attr.data_format) !== 'NHWC') throw new Error(`${node.name}: only NHWC is supported`);
  const padding = text(node.attr.padding);
  if (padding !== 'SAME' && padding !== 'VALID') throw new Error(`${node.name}: padding ${padding}`);
  return {
    auto_pad: padding === 'SAME' ? 'SAME_UPPER' : 'VALID',
    strides: ints(node.attr.strides).slice(1, 3),
  };
}

// Builds the ONNX ModelProto (a plain object) that computes `outputs` of the graph model.
export function convertGraph(model, weights, outputs) {
  const tfNodes = new Map(model.modelTopology.node.map((node) => [node.name, node]));
  const graph = new GraphBuilder();
  const graphInputs = [];
  const done = new Set();

  const constant = (name) => {
    const weight = weights.get(name);
    if (!weight) throw new Error(`${name} must be a constant`);
    return weight;
  };
  const scalar = (name) => Number(constant(name).data[0]);
  // A float or int32 constant is written when something first refers to it.
  const ref = (name) => {
    const clean = name.replace(/^\^/, '').replace(/:0$/, '');
    if (weights.has(clean)) return graph.initializer(clean, weights.get(clean).shape, weights.get(clean).data);
    return clean;
  };
  const asInt64 = (name) => {
    if (weights.has(name)) return graph.int64(name, Array.from(weights.get(name).data), weights.get(name).shape);
    return graph.add('Cast', [ref(name)], graph.fresh(name), { to: INT64 });
  };

  const convolution = (node, depthwise) => {
    const [input, filterName, biasName] = node.input;
    const filter = constant(filterName);
    const fused = (node.attr.fused_ops?.list.s ?? []).map((s) => Buffer.from(s, 'base64').toString());
    const activation = fused.filter((op) => op !== 'BiasAdd');
    if (activation.some((op) => op !== 'Relu' && op !== 'Relu6')) throw new Error(`${node.name}: fused ${activation}`);
    const [height, width, inChannels, last] = filter.shape;
    const weight = depthwise
      ? { shape: [inChannels * last, 1, height, width], data: transpose(filter, [2, 3, 0, 1]).data }
      : transpose(filter, [3, 2, 0, 1]);
    graph.convolution({
      input: ref(input), output: node.name, weight: { ...weight, name: `${filterName}/nchw` },
      bias: fused[0] === 'BiasAdd' ? ref(biasName) : undefined,
      spatial: spatial(node), dilations: ints(node.attr.dilations).slice(1, 3),
      group: depthwise ? inChannels : 1, activation: activation[0],
    });
  };
  const same = (opType) => (node) => graph.add(opType, node.input.map(ref), node.name);

  const operators = {
    _FusedConv2D: (node) => convolution(node, false),
    Conv2D: (node) => convolution(node, false),
    FusedDepthwiseConv2dNative: (node) => convolution(node, true),
    DepthwiseConv2dNative: (node) => convolution(node, true),
    Placeholder: (node) => {
      const shape = node.attr.shape.shape.dim.map((dim) => Number(dim.size));
      graphInputs.push({ name: node.name, type: ONNX_TYPE[node.attr.dtype.type], shape });
    },
    Mul: same('Mul'), Add: same('Add'), AddV2: same('Add'), Sub: same('Sub'), Equal: same('Equal'),
    Sigmoid: same('Sigmoid'), Identity: same('Identity'), Sqrt: same('Sqrt'), RealDiv: same('Div'),
    Relu: (node) => graph.activate('Relu', ref(node.input[0]), node.name),
    Relu6: (node) => graph.activate('Relu6', ref(node.input[0]), node.name),
    // On the non-negative integers of index arithmetic, floor and truncation agree.
    FloorDiv: (node) => { requireInt32(node); return same('Div')(node); },
    FloorMod: (node) => { requireInt32(node); return same('Mod')(node); },
    Mean: (node) => graph.add('ReduceMean', [ref(node.input[0])], node.name, {
      axes: Array.from(constant(node.input[1]).data), keepdims: node.attr.keep_dims.b ? 1 : 0,
    }),
    ConcatV2: (node) => graph.add('Concat', node.input.slice(0, -1).map(ref), node.name,
      { axis: scalar(node.input.at(-1)) }),
    MaxPool: (node) => graph.inNchw(ref(node.input[0]), node.name, (nchw) =>
      graph.add('MaxPool', [nchw], graph.fresh(node.name),
        { ...spatial(node), kernel_shape: ints(node.attr.ksize).slice(1, 3) })),
    ResizeBilinear: (node) => {
      if (node.attr.align_corners.b) throw new Error(`${node.name}: align_corners is not supported`);
      const sampling = node.attr.half_pixel_centers.b ? 'half_pixel' : 'asymmetric';
      const [height, width] = constant(node.input[1]).data;
      graph.inNchw(ref(node.input[0]), node.name, (nchw) => {
        // Sizes are given whole, so batch and channels are read off the tensor itself.
        const shape = graph.add('Shape', [nchw], graph.fresh(node.name));
        const kept = graph.add('Slice', [shape, graph.int64(node.name, [0]), graph.int64(node.name, [2])],
          graph.fresh(node.name));
        const sizes = graph.add('Concat', [kept, graph.int64(node.name, [height, width])],
          graph.fresh(node.name), { axis: 0 });
        return graph.add('Resize', [nchw, '', '', sizes], graph.fresh(node.name),
          { mode: 'linear', coordinate_transformation_mode: sampling });
      });
    },
    Reshape: (node) => graph.add('Reshape', [ref(node.input[0]), asInt64(node.input[1])], node.name),
    ExpandDims: (node) => graph.add('Unsqueeze',
      [ref(node.input[0]), graph.int64(node.name, [scalar(node.input[1])])], node.name),
    Squeeze: (node) => graph.add('Squeeze',
      [ref(node.input[0]), graph.int64(node.name, ints(node.attr.squeeze_dims))], node.name),
    Unpack: (node) => {
      for (let i = 0; i < Number(node.attr.num.i); i++) {
        graph.add('Gather', [ref(node.input[0]), graph.int64(node.name, [i], [])],
          i === 0 ? node.name : `${node.name}:${i}`, { axis: Number(node.attr.axis.i) });
      }
    },
    Pack: (node) => {
      const axis = Number(node.attr.axis.i);
      const parts = node.input.map((input) => graph.add('Unsqueeze',
        [ref(input), graph.int64(node.name, [axis])], graph.fresh(node.name)));
      return graph.add('Concat', parts, node.name, { axis });
    },
    GatherNd: (node) => graph.add('GatherND', [ref(node.input[0]), asInt64(node.input[1])], node.name),
    ArgMax: (node) => {
      const at = graph.add('ArgMax', [ref(node.input[0])], graph.fresh(node.name),
        { axis: scalar(node.input[1]), keepdims: 0 });
      return graph.add('Cast', [at], node.name, { to: ONNX_TYPE[node.attr.output_type.type] });
    },
    SquaredDifference: (node) => {
      const difference = graph.add('Sub', node.input.map(ref), graph.fresh(node.name));
      return graph.add('Mul', [difference, difference], node.name);
    },
    Cast: (node) => graph.add('Cast', [ref(node.input[0])], node.name, { to: ONNX_TYPE[node.attr.DstT.type] }),
    TopKV2: (node) => {
      const indices = graph.fresh(node.name);
      graph.add('TopK', [ref(node.input[0]), graph.int64(node.name, [scalar(node.input[1])])],
        [node.name, indices], { axis: -1, largest: 1, sorted: node.attr.sorted.b ? 1 : 0 });
      graph.add('Cast', [indices], `${node.name}:1`, { to: INT32 });
    },
    GatherV2: (node) => {
      if (Number(node.attr.batch_dims?.i ?? 0) !== 0) throw new Error(`${node.name}: batched gather`);
      graph.add('Gather', [ref(node.input[0]), ref(node.input[1])], node.name, { axis: scalar(node.input[2]) });
    },
    StridedSlice: (node) => {
      for (const mask of ['ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask']) {
        if (Number(node.attr[mask]?.i ?? 0)) throw new Error(`${node.name}: ${mask} is not supported`);
      }
      const [begin, end, stride] = node.input.slice(1).map((name) => Array.from(constant(name).data));
      const masked = (mask, axis) => (Number(node.attr[mask]?.i ?? 0) >> axis) & 1;
      if (stride.some((step) => step <= 0)) throw new Error(`${node.name}: only positive strides are supported`);
      const starts = begin.map((at, axis) => (masked('begin_mask', axis) ? 0 : at));
      const ends = end.map((at, axis) => (masked('end_mask', axis) ? 2 ** 31 - 1 : at));
      graph.add('Slice', [ref(node.input[0]), graph.int64(node.name, starts), graph.int64(node.name, ends),
        graph.int64(node.name, begin.map((_, axis) => axis)), graph.int64(node.name, stride)], node.name);
    },
  };
  const requireInt32 = (node) => {
    if (node.attr.T.type !== 'DT_INT32') throw new Error(`${node.name}: only int32 is supported`);
  };

  // Depth first, so nodes come out in an order in which every input already exists.
  const visit = (reference) => {
    const name = reference.replace(/^\^/, '').replace(/:\d+$/, '');
    if (done.has(name) || weights.has(name)) return;
    done.add(name);
    const node = tfNodes.get(name);
    if (!node) throw new Error(`the graph has no node ${name}`);
    (node.input ?? []).forEach(visit);
    if (!operators[node.op]) throw new Error(`${name}: operator ${node.op} is not supported`);
    operators[node.op](node);
  };
  outputs.forEach(visit);

  return graph.model('infernode-tfjs-to-onnx', graphInputs, outputs.map((name) => {
    const { dtype, tensorShape } = model.signature.outputs[name];
    return {
      name: name.replace(/:0$/, ''), type: ONNX_TYPE[dtype], shape: tensorShape.dim.map((dim) => Number(dim.size)),
    };
  }));
}

// Reads a graph model from disk and returns the ONNX file's bytes. Without `outputs`, all that the
// model's signature names are kept. The same input gives the same bytes.
export async function convertFile(modelPath, outputs) {
  const model = JSON.parse(await readFile(modelPath, 'utf8'));
  if (model.format !== 'graph-model') throw new Error(`${modelPath} is no TensorFlow.js graph model`);
  const manifest = model.weightsManifest.flatMap((group) => group.weights);
  const files = model.weightsManifest.flatMap((group) => group.paths);
  const bytes = Buffer.concat(await Promise.all(
    files.map((file) => readFile(path.join(path.dirname(modelPath), file)))));
  const known = Object.keys(model.signature.outputs);
  for (const name of outputs ?? []) {
    if (!known.includes(name)) throw new Error(`the model has no output ${name}; it has: ${known.join(', ')}`);
  }
  return encode(convertGraph(model, unpackWeights(manifest, bytes), outputs?.length ? outputs : known));
}

if (isCommand(import.meta.url)) {
  await convertCommand('tfjs-to-onnx', 'MODEL.json OUT.onnx [--output NAME]...', convertFile);
}
