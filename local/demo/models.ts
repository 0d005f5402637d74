/** What the demo knows of an example model, beyond what its pipelines say. */
export interface ExampleModel {
  readonly name: string;
  readonly training: string;
  readonly building: string;
  /** What its API is asked. */
  readonly question: Readonly<Record<string, string | number>>;
}

export const EXAMPLE_MODELS: readonly ExampleModel[] = [
  {
    name: 'titanic',
    training: 'pipelines/train-titanic-model.yaml',
    building: 'pipelines/build-titanic-image.yaml',
    question: { class: '1st', sex: 'female', age: 'adult' },
  },
  {
    name: 'batcomputer',
    training: 'pipelines/train-batcomputer-model.yaml',
    building: 'pipelines/build-batcomputer-image.yaml',
    question: { month: 10, region: 'financial district', crime: 'shoplifting' },
  },
];
