// Converts a TensorFlow Lite model of floats, its weights perhaps float16, to ONNX.
//
//   node tflite-to-onnx.mjs MODEL.tflite OUT.onnx
//
// What it does not know of stops the conversion: a silent approximation would be a wrong model.
import { readFile } from 'node:fs/promises';
import {
  FLOAT, GraphBuilder, convertCommand, elementCount, encode, isCommand, transpose, unpackFloat16,
} from './onnx-graph.mjs';
import { readTflite } from './tflite.mjs';

// A constant's numbers.
export function numbersOf({ name, shape, type, bytes }) {
  const width = type === 'float16' ? 2 : 4;
  if (bytes.length !== elementCount(shape) * width) throw new Error(`${name}: not as many numbers as its shape says`);
  if (type === 'float16') return unpackFloat16(bytes);
  const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return type === 'int32' ? new Int32Array(copy) : new Float32Array(copy);
}

// The ONNX ModelProto of what readTflite() gives.
export function convertTflite({ tensors, operators, inputs, outputs }) {
  const graph = new GraphBuilder();
  // Constants by number; those stored as float16 come by way of a DEQUANTIZE.
  const constants = new Map();
  tensors.forEach((tensor, i) => {
    if (tensor.bytes.length > 0) constants.set(i, { shape: tensor.shape, data: numbersOf(tensor) });
  });
  const constant = (i) => {
    if (!constants.has(i)) throw new Error(`${tensors[i].name} must be a constant`);
    return constants.get(i);
  };
  const ref = (i) => (constants.has(i)
    ? graph.initializer(tensors[i].name, constants.get(i).shape, constants.get(i).data) : tensors[i].name);
  const unactivated = (kind, options) => {
    if (options.activation) throw new Error(`${kind} with ${options.activation} is not supported`);
  };
  const convolution = ({ inputs: [input, filter, bias], outputs: [output], options }, depthwise) => {
    const weight = transpose(constant(filter), depthwise ? [3, 0, 1, 2] : [0, 3, 1, 2]);
    graph.convolution({
      input: ref(input), output: tensors[output].name, weight: { ...weight, name: `${tensors[filter].name}/nchw` },
      bias: bias >= 0 ? ref(bias) : undefined,
      spatial: { auto_pad: options.padding === 'SAME' ? 'SAME_UPPER' : 'VALID', strides: options.strides },
      dilations: options.dilations, group: depthwise ? tensors[input].shape[3] : 1, activation: options.activation,
    });
  };
  const convert = {
    CONV_2D: (operator) => convolution(operator, false),
    DEPTHWISE_CONV_2D: (operator) => convolution(operator, true),
    DEQUANTIZE: ({ inputs: [input], outputs: [output] }) => constants.set(output, constant(input)),
    ADD: ({ inputs: given, outputs: [output], options }) => {
      unactivated('ADD', options);
      graph.add('Add', given.map(ref), tensors[output].name);
    },
    CONCATENATION: ({ inputs: given, outputs: [output], options }) => {
      unactivated('CONCATENATION', options);
      graph.add('Concat', given.map(ref), tensors[output].name, { axis: options.axis });
    },
    RESHAPE: ({ inputs: [input], outputs: [output] }) => {
      const { name, shape } = tensors[output];
      graph.add('Reshape', [ref(input), graph.int64(name, shape)], name);
    },
  };
  operators.forEach((operator) => convert[operator.kind](operator));
  const ports = (numbers) => numbers.map((i) => {
    if (tensors[i].type !== 'float32') throw new Error(`${tensors[i].name}: only float32 is supported`);
    return { name: tensors[i].name, type: FLOAT, shape: tensors[i].shape };
  });
  return graph.model('infernode-tflite-to-onnx', ports(inputs), ports(outputs));
}

if (isCommand(import.meta.url)) {
  await convertCommand('tflite-to-onnx', 'MODEL.tflite OUT.onnx',
    async (file) => encode(convertTflite(readTflite(await readFile(file)))));
}
