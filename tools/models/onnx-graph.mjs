// What the converters share: building a graph of ONNX, opset 13, out of one whose tensors are NHWC, and writing it.
//
// Tensors keep their layout; every spatial operator is wrapped in a pair of Transpose nodes, which ONNX Runtime's graph
// optimiser cancels against each other.
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

export const FLOAT = 1, INT32 = 6, INT64 = 7, BOOL = 9;
const OPSET = 13;
const IR_VERSION = 7;

export const elementCount = (shape) => shape.reduce((a, b) => a * b, 1);

// IEEE 754 binary16 -> binary32.
export function unpackFloat16(bytes) {
  const halves = new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

// Permutes the axes of a dense row-major tensor.
export function transpose({ shape, data }, order) {
  const strides = shape.map((_, i) => elementCount(shape.slice(i + 1)));
  const outShape = order.map((axis) => shape[axis]);
  const outStrides = order.map((axis) => strides[axis]);
  const out = new data.constructor(data.length);
  const index = new Array(order.length).fill(0);
  for (let i = 0; i < out.length; i++) {
    out[i] = data[index.reduce((sum, at, axis) => sum + at * outStrides[axis], 0)];
    for (let axis = order.length - 1; axis >= 0 && ++index[axis] === outShape[axis]; axis--) index[axis] = 0;
  }
  return { shape: outShape, data: out };
}

export class GraphBuilder {
  nodes = [];
  initializers = new Map();
  counter = 0;

  fresh(hint) { return `${hint}/onnx_${this.counter++}`; }

  add(opType, inputs, output, attributes = {}) {
    const attribute = Object.entries(attributes).map(([name, value]) => {
      if (typeof value === 'string') return { name, s: Buffer.from(value), type: 'STRING' };
      if (Array.isArray(value)) return { name, ints: value, type: 'INTS' };
      if (Number.isInteger(value)) return { name, i: value, type: 'INT' };
      throw new Error(`attribute ${name} of ${opType} has an unexpected type`);
    });
    const outputs = Array.isArray(output) ? output : [output];
    this.nodes.push({ opType, input: inputs, output: outputs, name: outputs[0], attribute });
    return outputs[0];
  }

  initializer(name, shape, data) {
    const types = new Map([[Float32Array, FLOAT], [Int32Array, INT32], [BigInt64Array, INT64]]);
    const dataType = types.get(data.constructor);
    if (!this.initializers.has(name)) {
      this.initializers.set(name, {
        name, dims: shape, dataType, rawData: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      });
    }
    return name;
  }

  int64(hint, values, shape = [values.length]) {
    return this.initializer(this.fresh(hint), shape, BigInt64Array.from(values, BigInt));
  }

  // Wraps `operator` (which maps an NCHW tensor name to an NCHW tensor name) for an NHWC tensor.
  inNchw(input, output, operator) {
    const nchw = this.add('Transpose', [input], this.fresh(output), { perm: [0, 3, 1, 2] });
    return this.add('Transpose', [operator(nchw)], output, { perm: [0, 2, 3, 1] });
  }

  // Relu or Relu6.
  activate(kind, input, output) {
    if (kind === 'Relu') return this.add('Relu', [input], output);
    const bound = (value) => this.initializer(`relu6/${value}`, [], Float32Array.of(value));
    return this.add('Clip', [input, bound(0), bound(6)], output);
  }

  // A convolution of an NHWC tensor. `weight` is as ONNX wants it; `activation` may be undefined.
  convolution({ input, output, weight, bias, spatial, dilations, group, activation }) {
    const inputs = [this.initializer(weight.name, weight.shape, weight.data), ...(bias ? [bias] : [])];
    this.inNchw(input, output, (nchw) => {
      const conv = this.add('Conv', [nchw, ...inputs], this.fresh(output),
        { ...spatial, kernel_shape: weight.shape.slice(2), dilations, group });
      return activation ? this.activate(activation, conv, this.fresh(output)) : conv;
    });
  }

  // The ModelProto. `inputs`, `outputs`: name, type and shape each.
  model(producer, inputs, outputs) {
    const valueInfo = ({ name, type, shape }) => ({
      name, type: { tensorType: { elemType: type, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
    });
    return {
      irVersion: IR_VERSION,
      producerName: producer,
      producerVersion: '1',
      opsetImport: [{ domain: '', version: OPSET }],
      graph: {
        name: 'graph_model',
        node: this.nodes,
        initializer: [...this.initializers.values()],
        input: inputs.map(valueInfo),
        output: outputs.map(valueInfo),
      },
    };
  }
}

// The bytes of an ONNX file. The same model gives the same bytes.
export async function encode(model) {
  const schema = await protobuf.load(path.join(path.dirname(fileURLToPath(import.meta.url)), 'onnx.proto'));
  const ModelProto = schema.lookupType('onnx.ModelProto');
  return Buffer.from(ModelProto.encode(ModelProto.fromObject(model)).finish());
}

// Runs a converter as a command: `convert(input, outputs)` gives the bytes of the ONNX file.
export async function convertCommand(name, usage, convert) {
  const outputs = [];
  const files = [];
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--output' && args[i + 1]) outputs.push(args[++i]);
    else files.push(args[i]);
  }
  if (files.length !== 2 || files.some((file) => file.startsWith('-'))) {
    console.error(`usage: node ${name}.mjs ${usage}`);
    process.exitCode = 2;
    return;
  }
  try {
    const bytes = await convert(files[0], outputs);
    // Written aside and renamed, so that an interrupted run never leaves half a model.
    await writeFile(`${files[1]}.part`, bytes);
    await rename(`${files[1]}.part`, files[1]);
    console.log(`${files[1]}: ${bytes.length} bytes`);
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}

// Whether the module of this URL is what node was started with.
export const isCommand = (url) => process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(url);
