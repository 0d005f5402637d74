/**
 * Predefined variables that a step cannot overwrite: those of the agent's list that exist here.
 * dev.azure.com sends `agent.readOnlyVariables: true`, so trying it fails the step.
 */
export const READ_ONLY_NAMES: ReadonlySet<string> = new Set(
  `
  agent.builddirectory agent.cainfo agent.cloudid agent.diagnostic agent.homedirectory agent.id agent.isselfhosted
  agent.jobname agent.jobstatus agent.machinename agent.name agent.os agent.osarchitecture agent.osversion
  agent.proxybypasslist agent.proxypassword agent.proxyurl agent.proxyusername agent.readonlyvariables
  agent.retaindefaultencoding agent.rootdirectory agent.skipcertvalidation agent.tempdirectory agent.toolsdirectory
  agent.version agent.workfolder agent.workingdirectory
  build.artifactstagingdirectory build.binariesdirectory build.buildnumber build.clean build.definitionname
  build.repository.clean build.repository.id build.repository.localpath build.repository.name
  build.repository.provider build.repository.uri build.sourcebranch build.sourcesdirectory build.sourceversion
  build.sourceversionauthor build.sourceversionmessage build.stagingdirectory build.syncsources
  common.testresultsdirectory pipeline.workspace
  system.accesstoken system.artifactsdirectory system.collectionid system.culture system.debug
  system.defaultworkingdirectory system.definitionid system.definitionname system.enableaccesstoken system.hosttype
  system.isazurevm system.isdockercontainer system.jobattempt system.jobdisplayname system.jobid system.jobname
  system.phaseattempt system.phasedisplayname system.phasename system.planid system.servertype system.stageattempt
  system.stagedisplayname system.stagename system.teamfoundationserveruri system.teamproject system.teamprojectid
  system.workfolder task.displayname
  `
    .trim()
    .split(/\s+/),
);
