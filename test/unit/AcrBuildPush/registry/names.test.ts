import assert from 'node:assert/strict';
import {
  acrNameProblem,
  isLoopback,
  loginServerOf,
  loginServerProblem,
  registryNameOf,
  registryUrl,
  repositoryProblem,
} from '../../../../tasks/AcrBuildPush/registry/names';

describe("a registry's name", () => {
  for (const [acrName, loginServer] of [
    ['myregistry', 'myregistry.azurecr.io'],
    ['MyRegistry', 'myregistry.azurecr.io'],
    ['myregistry-e7ggejfuhzhgedc8', 'myregistry-e7ggejfuhzhgedc8.azurecr.io'],
    ['myregistry.azurecr.us', 'myregistry.azurecr.us'],
    ['https://MyRegistry.azurecr.cn/', 'myregistry.azurecr.cn'],
    ['127.0.0.1:5000', '127.0.0.1:5000'],
  ] as const) {
    it(`${acrName} means the server ${loginServer}`, () => {
      assert.equal(acrNameProblem(acrName), undefined);
      assert.equal(loginServerOf(acrName), loginServer);
    });
  }

  for (const [acrName, reason] of [
    ['acr1', /5 to 50 letters and digits/],
    ['my_registry', /5 to 50 letters and digits/],
    ['a'.repeat(51), /5 to 50 letters and digits/],
    ['myregistry.azurecr.io/titanic', /belongs in input 'repository'/],
  ] as const) {
    it(`${acrName} is refused with the reason`, () => {
      assert.match(acrNameProblem(acrName) ?? '', reason);
    });
  }

  for (const [loginServer, name] of [
    ['myregistry.azurecr.io', 'myregistry'],
    ['myregistry-e7ggejfuhzhgedc8.azurecr.us', 'myregistry'],
    ['127.0.0.1:5000', undefined],
    ['registry.example.com', undefined],
  ] as const) {
    it(`of ${loginServer} is ${name ?? 'not known'}`, () => {
      assert.equal(registryNameOf(loginServer), name);
    });
  }
});

describe('a login server', () => {
  for (const loginServer of ['localhost', 'localhost:5000', '[::1]:5000', 'registry.example.com:8443']) {
    it(`may be ${loginServer}`, () => assert.equal(loginServerProblem(loginServer), undefined));
  }

  for (const [loginServer, reason] of [
    ['myregistry', /such as myregistry\.azurecr\.io/],
    ['myregistry.azurecr.io:443', /Leave out the port/],
    ['my registry.example.com', /not a server's name/],
    ['registry.example.com/titanic', /belongs in input 'repository'/],
  ] as const) {
    it(`must not be ${loginServer}`, () => assert.match(loginServerProblem(loginServer) ?? '', reason));
  }

  it('is talked to in plain HTTP only on this machine', () => {
    for (const host of ['localhost', 'localhost:5000', '127.0.0.1:5000', '127.8.9.1', '[::1]:5000']) {
      assert.equal(isLoopback(host), true, host);
    }
    for (const host of ['10.0.0.1:5000', '127.0.0.1.example.com', 'localhost.example.com', 'my.azurecr.io']) {
      assert.equal(isLoopback(host), false, host);
    }
    assert.equal(registryUrl('127.0.0.1:5000'), 'http://127.0.0.1:5000');
    assert.equal(registryUrl('my.azurecr.io'), 'https://my.azurecr.io');
  });
});

describe('a repository', () => {
  for (const name of ['titanic-model-api', 'a', 'team/sub.group/model__api', 'a--b', '0/1']) {
    it(`may be ${name}`, () => assert.equal(repositoryProblem(name, 'r.azurecr.io'), undefined));
  }

  for (const [name, reason] of [
    ['r.azurecr.io/titanic', /put in front of it/],
    ['https://r.azurecr.io/titanic', /takes no address/],
    ['titanic:1.0.0', /Tags belong in input 'tags'/],
    ['titanic@sha256', /Tags belong in input 'tags'/],
    ['my model', /not ' '/],
    ['modèle', /not 'è'/],
    ['team//api', /before and after every '\/'/],
    ['/titanic', /before and after every '\/'/],
    ['team/-api', /'-api' does not/],
    ['titanic_', /'titanic_' does not/],
    ['a..b', /'a\.\.b' has more/],
    ['a___b', /'a___b' has more/],
    ['a._b', /'a\._b' has more/],
    ['x'.repeat(250), /263 characters, and may have 255/],
  ] as const) {
    it(`must not be ${name.slice(0, 30)}, and the broken rule is named`, () => {
      assert.match(repositoryProblem(name, 'r.azurecr.io') ?? '', reason);
    });
  }
});
