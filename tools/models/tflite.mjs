// Reads a TensorFlow Lite model: a FlatBuffer of TensorFlow's schema.fbs (version 3), of which the numbers here are
// the positions of fields. What converters need of it, and no more.

const TYPES = { 0: 'float32', 1: 'float16', 2: 'int32' };
const OPERATORS = { 0: 'ADD', 2: 'CONCATENATION', 3: 'CONV_2D', 4: 'DEPTHWISE_CONV_2D', 6: 'DEQUANTIZE', 22: 'RESHAPE' };
const ACTIVATIONS = { 0: undefined, 1: 'Relu', 3: 'Relu6' };
const PADDINGS = { 0: 'SAME', 1: 'VALID' };

// A table of a FlatBuffer; fields that are not written have their default.
class Table {
  constructor(view, position) {
    this.view = view;
    this.position = position;
    this.fields = position - view.getInt32(position, true);
    this.fieldBytes = view.getUint16(this.fields, true);
  }
  #at(field) {
    const offset = 4 + 2 * field;
    const value = offset < this.fieldBytes ? this.view.getUint16(this.fields + offset, true) : 0;
    return value === 0 ? 0 : this.position + value;
  }
  #followed(at) { return at + this.view.getUint32(at, true); }
  int8(field) { const at = this.#at(field); return at ? this.view.getInt8(at) : 0; }
  int32(field, otherwise = 0) { const at = this.#at(field); return at ? this.view.getInt32(at, true) : otherwise; }
  table(field) { const at = this.#at(field); return at ? new Table(this.view, this.#followed(at)) : undefined; }
  #vector(field, read) {
    const at = this.#at(field);
    if (!at) return [];
    const start = this.#followed(at);
    return Array.from({ length: this.view.getUint32(start, true) }, (_, i) => read(start + 4 + 4 * i));
  }
  int32s(field) { return this.#vector(field, (at) => this.view.getInt32(at, true)); }
  tables(field) { return this.#vector(field, (at) => new Table(this.view, this.#followed(at))); }
  bytes(field) {
    const at = this.#at(field);
    if (!at) return new Uint8Array();
    const start = this.#followed(at);
    return new Uint8Array(this.view.buffer, this.view.byteOffset + start + 4, this.view.getUint32(start, true));
  }
  text(field) { return Buffer.from(this.bytes(field)).toString(); }
}

const named = (names, value, what) => {
  if (!(value in names)) throw new Error(`${what} ${value} is not supported`);
  return names[value];
};

// What an operator's options say, by its kind.
const OPTIONS = {
  ADD: (table) => ({ activation: named(ACTIVATIONS, table.int8(0), 'activation') }),
  CONCATENATION: (table) => ({ axis: table.int32(0), activation: named(ACTIVATIONS, table.int8(1), 'activation') }),
  CONV_2D: (table) => ({
    padding: named(PADDINGS, table.int8(0), 'padding'), strides: [table.int32(2), table.int32(1)],
    activation: named(ACTIVATIONS, table.int8(3), 'activation'), dilations: [table.int32(5, 1), table.int32(4, 1)],
  }),
  DEPTHWISE_CONV_2D: (table) => ({
    padding: named(PADDINGS, table.int8(0), 'padding'), strides: [table.int32(2), table.int32(1)],
    activation: named(ACTIVATIONS, table.int8(4), 'activation'), dilations: [table.int32(6, 1), table.int32(5, 1)],
  }),
  DEQUANTIZE: () => ({}),
  RESHAPE: () => ({}),
};

// { tensors: [{ name, shape, type, bytes }], operators: [{ kind, inputs, outputs, options }], inputs, outputs }:
// tensors by number; `bytes` are those of a constant.
export function readTflite(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < 8 || file.subarray(4, 8).toString() !== 'TFL3') throw new Error('this is no TensorFlow Lite model');
  const model = new Table(view, view.getUint32(0, true));
  const kinds = model.tables(1).map((code) => Math.max(code.int8(0), code.int32(3)));
  const buffers = model.tables(4);
  const graphs = model.tables(2);
  if (graphs.length !== 1) throw new Error(`${graphs.length} graphs; one is supported`);
  const tensors = graphs[0].tables(0).map((tensor) => ({
    name: tensor.text(3), shape: tensor.int32s(0), type: named(TYPES, tensor.int8(1), 'type'),
    bytes: buffers[tensor.int32(2)].bytes(0),
  }));
  const operators = graphs[0].tables(3).map((operator) => {
    const kind = named(OPERATORS, kinds[operator.int32(0)], 'operator');
    return {
      kind, inputs: operator.int32s(1), outputs: operator.int32s(2), options: OPTIONS[kind](operator.table(4)),
    };
  });
  return { tensors, operators, inputs: graphs[0].int32s(1), outputs: graphs[0].int32s(2) };
}
