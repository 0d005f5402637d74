import { pageAt, type WorkspaceAddress } from '../../common/databricks/address';

/** The page of a run. The service's own `run_page_url` has an older form that sends some users to the home page. */
export function runPage(address: WorkspaceAddress, jobId: string, runId: string): string {
  return pageAt(address, `/jobs/${jobId}/runs/${runId}`);
}

/** The page of a job, with its latest runs. */
export function jobPage(address: WorkspaceAddress, jobId: string): string {
  return pageAt(address, `/jobs/${jobId}`);
}

/** The page of all runs: there, the one-time runs are listed that belong to no job. */
export function runsPage(address: WorkspaceAddress): string {
  return pageAt(address, '/jobs/runs');
}
