import createClient from 'openapi-fetch';
import type { components, paths } from './schema';
import { text } from './text';

export type Schemas = components['schemas'];
export type User = Schemas['User'];
export type Dataset = Schemas['Dataset'];
export type Video = Schemas['Video'];
export type Job = Schemas['Job'];
export type Upload = Schemas['Upload'];
export type Problem = Schemas['Problem'];

// What a server refused, or that it could not be reached (`status` 0).
export class ApiError extends Error {
  readonly status: number;
  readonly type: string;
  readonly problem: Partial<Problem>;
  constructor(problem: Partial<Problem>) {
    super(problem.detail ?? text.errors.unknown);
    this.status = problem.status ?? 0;
    this.type = problem.type ?? '';
    this.problem = problem;
  }
  get requestId(): string {
    return this.problem.instance ?? '';
  }
}

export const api = createClient<paths>({ baseUrl: '', credentials: 'same-origin' });

export const unauthenticated = new EventTarget();

function problemOf(body: unknown, status: number): Partial<Problem> {
  if (typeof body === 'object' && body !== null && 'detail' in body) {
    return body as Problem;
  }
  return { status, detail: text.errors.status(status) };
}

// The answer's body, or an ApiError.
export async function ask<T>(
  request: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  let answer;
  try {
    answer = await request;
  } catch {
    throw new ApiError({ status: 0, detail: text.errors.offline });
  }
  if (answer.error !== undefined || !answer.response.ok) {
    // A password or link that does not fit says nothing of the session.
    if (answer.response.status === 401 && !new URL(answer.response.url).pathname.startsWith('/api/v1/auth/')) {
      unauthenticated.dispatchEvent(new Event('unauthenticated'));
    }
    throw new ApiError(problemOf(answer.error, answer.response.status));
  }
  return answer.data as T;
}

export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError
    ? error
    : new ApiError({ detail: error instanceof Error ? error.message : String(error) });
}

// A key that makes a request act once, however often it is sent.
export function idempotencyKey(): string {
  return crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`;
}

// What openapi-typescript makes of a page.
export interface Page<T> {
  items?: T[];
  next_cursor?: string | null;
}
