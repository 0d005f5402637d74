/** A request to an organization, as it came. */
export interface DevOpsRequest {
  readonly method: string;
  /** Below the organization, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly authorization: string;
  status: number;
}
