import { pullImage, removeImage, startApi } from '../engine/engine';
import { type RunningApi, serveModel } from '../model-api';
import type { Stack } from '../stack';
import { detail } from './console';
import type { ExampleModel } from './models';

/** The API that was built, by its image; taking it away takes the image away too. */
export async function apiOfImage(image: string, stack: Stack, signal: AbortSignal): Promise<RunningApi> {
  await pullImage(image, stack.registry, signal);
  try {
    const api = await startApi(image, signal);
    const stop = async () => {
      await api.stop();
      await removeImage(image);
    };
    return { url: api.url, stop };
  } catch (error) {
    await removeImage(image);
    throw error;
  }
}

/** The same API and model without the image, where no engine can run that. */
export function apiOfModel(python: string, modelFolder: string): Promise<RunningApi> {
  return serveModel(python, modelFolder);
}

/**
 * Asks a model's API its question.
 *
 * @returns question and answer in a line
 * @throws when it does not answer with a prediction
 */
export async function ask(
  { url }: RunningApi,
  { question }: ExampleModel,
  signal: AbortSignal,
): Promise<string> {
  const response = await fetch(`${url}/api/predict`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(question),
    signal,
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`The API answered ${response.status}: ${answer}`);
  detail(`POST /api/predict ${JSON.stringify(question)}`);
  detail(answer.trim());
  const { prediction, probabilities } = JSON.parse(answer);
  const percent = Math.round(probabilities[prediction] * 100);
  return `${Object.values(question).join(', ')}: ${prediction} (${percent} %)`;
}
