// The params of a pipeline as GET /pipelines describes them (JSON Schema).
export interface ParamRules {
  type: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  items?: { type: string };
}
export interface PipelineModel {
  name: string;
  description: string;
  labels: string[];
  keypoints: string[];
}
export interface Pipeline {
  name: string;
  description: string;
  params: { properties: Record<string, ParamRules> };
  models: PipelineModel[];
}
export type Params = Record<string, unknown>;

// Those that have a place of their own on the page, and those that few people need.
const kPlaced = ['pipeline', 'model', 'start_frame', 'end_frame', 'frame_step', 'zones'];
const kRare = ['image_quality', 'max_failed', 'device', 'colours', 'crops', 'sound'];

export function fieldsOf(pipeline: Pipeline, rare: boolean): [string, ParamRules][] {
  return Object.entries(pipeline.params.properties).filter(
    ([name]) => !kPlaced.includes(name) && kRare.includes(name) === rare,
  );
}

// Only what differs from the default, and is a param of this pipeline.
export function chosen(pipeline: Pipeline, params: Params): Params {
  const rules = pipeline.params.properties;
  return Object.fromEntries(
    Object.entries(params).filter(
      ([name, value]) =>
        rules[name] &&
        value !== undefined &&
        value !== null &&
        value !== '' &&
        JSON.stringify(value) !== JSON.stringify(rules[name].default),
    ),
  );
}

// "confidence" as a person would say it: "Confidence".
export const titleOf = (name: string) => {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};
