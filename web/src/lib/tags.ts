import { api, ask } from './api';

// "a, b, a" as a list of different ones.
export const splitTags = (all: string) => [
  ...new Set(
    all
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  ),
];

// Suggestions; none when the server does not answer.
export async function knownTags(): Promise<string[]> {
  try {
    const page = await ask(api.GET('/api/v1/tags', { params: { query: { limit: 200 } } }));
    return (page.items ?? []).map((each) => each.name);
  } catch {
    return [];
  }
}
