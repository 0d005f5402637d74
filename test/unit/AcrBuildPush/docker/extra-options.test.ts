import assert from 'node:assert/strict';
import {
  areForCommands,
  type ExtraOption,
  findForBuildKit,
  parseExtraOption,
} from '../../../../tasks/AcrBuildPush/docker/extra-options';

describe('An option for docker', () => {
  const read = (line: string) => {
    const option = parseExtraOption(line);
    assert.ok(typeof option !== 'string', String(option));
    return option;
  };

  for (const [line, words] of [
    ['--no-cache', ['--no-cache']],
    ['--add-host=db:10.0.0.4', ['--add-host=db:10.0.0.4']],
    ['--network host', ['--network', 'host']],
    ['--build-context  shared=../a folder', ['--build-context', 'shared=../a folder']],
    ['--ssh=default=/run/a.sock', ['--ssh=default=/run/a.sock']],
  ] as const) {
    it(`'${line}' becomes ${words.length === 1 ? 'one word' : 'two words'}`, () => {
      assert.deepEqual(read(line).words, words);
    });
  }

  for (const [line, problem] of [
    ['--build-arg A=1', "is for input 'buildArgs' to say"],
    ['--secret=id=a', "is for input 'buildSecrets' to say"],
    ['--tag x', "is for input 'tags' to say"],
    ['--output=type=local,dest=/', 'is what the step itself has to set'],
    ['--iidfile /x', 'is what the step itself has to set'],
    ['--provenance=true', 'is what the step itself has to set'],
    ['--check', 'would have docker build nothing'],
    ['--call=outline', 'would have docker build nothing'],
    ['-t x', 'is no long option such as --add-host=db:10.0.0.4'],
    ['.', 'is no long option such as --add-host=db:10.0.0.4'],
    ['--', 'is no long option such as --add-host=db:10.0.0.4'],
    ['--network host --tag x', 'has more than one option: give each a line of its own'],
  ] as const) {
    it(`'${line}' is refused`, () => {
      assert.equal(parseExtraOption(line), problem);
    });
  }

  it('is for commands alone, or for more of the image', () => {
    const options = (...lines: string[]): ExtraOption[] => lines.map(read);
    assert.ok(areForCommands(options('--add-host=a:1.2.3.4', '--network=host', '--ssh default')));
    assert.ok(!areForCommands(options('--network=host', '--build-context=a=b')));
    assert.equal(findForBuildKit(options('--network=host', '--ssh default'))?.name, '--ssh');
    assert.equal(findForBuildKit(options('--network=host')), undefined);
  });
});
