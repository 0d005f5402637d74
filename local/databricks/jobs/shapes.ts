import { CLUSTER_SHAPES } from './cluster-shapes';
import { TASK_SHAPES } from './task-shapes';

/** A text, an integer, a number, a flag, a map of texts, one of the words between bars, or another shape; a list of such. */
export type Kind = string | readonly [string];
export type Shape = Readonly<Record<string, Kind>>;

/**
 * What the service knows of a job's settings, by the names that its clients use. Whatever stands nowhere here, it drops
 * without a word. A test holds this against Databricks' own client.
 */
export const SHAPES: Readonly<Record<string, Shape>> = {
  ...CLUSTER_SHAPES,
  ...TASK_SHAPES,
  JobSettings: {
    budget_policy_id: 'text',
    continuous: 'Continuous',
    deployment: 'JobDeployment',
    description: 'text',
    edit_mode: 'EDITABLE|UI_LOCKED',
    email_notifications: 'JobEmailNotifications',
    environments: ['JobEnvironment'],
    format: 'MULTI_TASK|SINGLE_TASK',
    git_source: 'GitSource',
    health: 'JobsHealthRules',
    job_clusters: ['JobCluster'],
    max_concurrent_runs: 'integer',
    name: 'text',
    notification_settings: 'JobNotificationSettings',
    parameters: ['JobParameterDefinition'],
    performance_target: 'PERFORMANCE_OPTIMIZED|STANDARD',
    queue: 'QueueSettings',
    run_as: 'JobRunAs',
    schedule: 'CronSchedule',
    tags: 'texts',
    tasks: ['Task'],
    timeout_seconds: 'integer',
    trigger: 'TriggerSettings',
    usage_policy_id: 'text',
    webhook_notifications: 'WebhookNotifications',
    parent_path: 'text',
  },
  Continuous: { pause_status: 'PAUSED|UNPAUSED', task_retry_mode: 'NEVER|ON_FAILURE' },
  JobDeployment: {
    kind: 'BUNDLE|SYSTEM_MANAGED',
    metadata_file_path: 'text',
    deployment_id: 'text',
    version_id: 'text',
  },
  JobEmailNotifications: {
    no_alert_for_skipped_runs: 'flag',
    on_duration_warning_threshold_exceeded: ['text'],
    on_failure: ['text'],
    on_start: ['text'],
    on_streaming_backlog_exceeded: ['text'],
    on_success: ['text'],
  },
  JobEnvironment: { environment_key: 'text', spec: 'Environment' },
  Environment: {
    base_environment: 'text',
    client: 'text',
    dependencies: ['text'],
    environment_version: 'text',
    java_dependencies: ['text'],
  },
  GitSource: {
    git_url: 'text',
    git_provider:
      'awsCodeCommit|azureDevOpsServices|bitbucketCloud|bitbucketServer|gitHub|gitHubEnterprise|gitLab|gitLabEnterpriseEdition',
    git_branch: 'text',
    git_commit: 'text',
    git_snapshot: 'GitSnapshot',
    git_tag: 'text',
    job_source: 'JobSource',
    sparse_checkout: 'SparseCheckout',
  },
  GitSnapshot: { used_commit: 'text' },
  JobSource: {
    job_config_path: 'text',
    import_from_git_branch: 'text',
    dirty_state: 'DISCONNECTED|NOT_SYNCED',
  },
  SparseCheckout: { patterns: ['text'] },
  JobsHealthRules: { rules: ['JobsHealthRule'] },
  JobsHealthRule: {
    metric:
      'RUN_DURATION_SECONDS|STREAMING_BACKLOG_BYTES|STREAMING_BACKLOG_FILES|STREAMING_BACKLOG_RECORDS|STREAMING_BACKLOG_SECONDS',
    op: 'GREATER_THAN',
    value: 'integer',
  },
  JobCluster: { job_cluster_key: 'text', new_cluster: 'ClusterSpec' },
  JobNotificationSettings: { no_alert_for_canceled_runs: 'flag', no_alert_for_skipped_runs: 'flag' },
  JobParameterDefinition: { name: 'text', default: 'text' },
  QueueSettings: { enabled: 'flag' },
  JobRunAs: { group_name: 'text', service_principal_name: 'text', user_name: 'text' },
  CronSchedule: { quartz_cron_expression: 'text', timezone_id: 'text', pause_status: 'PAUSED|UNPAUSED' },
  WebhookNotifications: {
    on_duration_warning_threshold_exceeded: ['Webhook'],
    on_failure: ['Webhook'],
    on_start: ['Webhook'],
    on_streaming_backlog_exceeded: ['Webhook'],
    on_success: ['Webhook'],
  },
  Webhook: { id: 'text' },
  TriggerSettings: {
    file_arrival: 'FileArrivalTriggerConfiguration',
    model: 'ModelTriggerConfiguration',
    pause_status: 'PAUSED|UNPAUSED',
    periodic: 'PeriodicTriggerConfiguration',
    table_update: 'TableUpdateTriggerConfiguration',
  },
  FileArrivalTriggerConfiguration: {
    url: 'text',
    min_time_between_triggers_seconds: 'integer',
    wait_after_last_change_seconds: 'integer',
  },
  ModelTriggerConfiguration: {
    condition: 'MODEL_ALIAS_SET|MODEL_CREATED|MODEL_VERSION_READY',
    aliases: ['text'],
    min_time_between_triggers_seconds: 'integer',
    securable_name: 'text',
    wait_after_last_change_seconds: 'integer',
  },
  PeriodicTriggerConfiguration: { interval: 'integer', unit: 'DAYS|HOURS|WEEKS' },
  TableUpdateTriggerConfiguration: {
    table_names: ['text'],
    condition: 'ALL_UPDATED|ANY_UPDATED',
    min_time_between_triggers_seconds: 'integer',
    wait_after_last_change_seconds: 'integer',
  },
};
