import assert from 'node:assert/strict';
import { layerInFolder } from '../../../../tasks/AcrBuildPush/docker/v1-layers';

/** From what `docker save` of engine 20.10.24 gave for an image of two `COPY` lines. */
const diffIds = [
  'sha256:ee7ce5107e3300e371b9188765b554ad4b96a2f1eb3f7fa7bf26dda509c6a021',
  'sha256:325efb1a7c7b86c538af71c5bbeac59200bc62d4638db928d6c27b0d4f94f534',
];
const settings =
  '"AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,';
const bottom =
  '{"id":"00ee140b469eeb7fac2fd23322d0275a1f7486a78d7e568b7966d66ca80eacc1","created":"1970-01-01T00:00:00Z",' +
  `"container_config":{"Hostname":"","Domainname":"","User":"",${settings}"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},"os":"linux"}`;
const image =
  '"Image":"sha256:f157516a39e302e74adda6ce50939ad1fa10cb985977df6b71f156529abfee0b","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}';
const path = '"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]';
const top =
  '{"id":"9a6ff8d3cf09686444faff03e08356d4ef3dd6d75b6a2a92c3b306b035f43799","parent":"00ee140b469eeb7fac2fd23322d0275a1f7486a78d7e568b7966d66ca80eacc1","created":"2026-11-25T03:10:58.408127626Z",' +
  `"container_config":{"Hostname":"","Domainname":"","User":"",${settings}${path},"Cmd":["/bin/sh","-c","#(nop) COPY file:152361f75dd36840ce4d11668e955642bf4dd89107910bee1113026e88695a81 in /x "],${image},` +
  `"docker_version":"20.10.24+dfsg1","config":{"Hostname":"","Domainname":"","User":"",${settings}${path},"Cmd":null,${image},"architecture":"amd64","os":"linux"}`;

describe("a layer's folder in an archive of engines before 25", () => {
  for (const [place, json, diffId] of [
    ['bottom', bottom, diffIds[0]],
    ['top', top, diffIds[1]],
  ] as const) {
    it(`tells that it is the layer at the ${place}`, () => {
      assert.equal(layerInFolder(JSON.parse(json).id, Buffer.from(json), diffIds), diffId);
    });
  }

  it('tells nothing when it is none of the layers', () => {
    assert.equal(layerInFolder(JSON.parse(top).id, Buffer.from(top), diffIds.slice(0, 1)), undefined);
    assert.equal(layerInFolder('0'.repeat(64), Buffer.from(top), diffIds), undefined);
  });
});
