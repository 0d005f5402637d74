import { posix } from 'node:path';
import type { Logger } from '../../../common/log';
import { type Copy, flagOf, flagsOf, type Instruction, isOn, mistake } from '../../dockerfile/instructions';
import { WordError } from '../../dockerfile/words';
import { FileTree, LinkLoop } from '../../files/file-tree';
import type { HistoryEntry, ImageConfig, Layer, ParentImage, Platform } from '../../image/image';
import { findNeed, NeedsEngine } from '../needs-engine';
import type { Split } from '../split';
import type { BaseFiles } from './base-files';
import type { ContextUse } from './context-use';
import { Copier, CopyError, NothingFound, OutOfReach } from './copy';
import { copyWithParents, isReadable, patternsOf, permissionsOf, refuseArchive } from './copy-options';
import { type PlannedLayer, planLayers } from './layer';
import { hasName, resolveOwner } from './owners';
import {
  commandWords,
  copySettings,
  healthcheckOf,
  initialSettings,
  isSignal,
  parsePorts,
  resolveWorkdir,
  type Settings,
  setVariable,
} from './settings';
import { type VariableSources, Variables } from './variables';

/** What a stage may ask of the build that it is part of. */
export interface Surroundings extends VariableSources {
  readonly log: Logger;
  /** The files that a build context has. */
  context(): FileTree;
  /** What is taken of them. */
  readonly use: ContextUse;
  /** The stage that `--from` names, built. */
  stage(name: string): Promise<StageBuild | undefined>;
}

/** What a stage begins with: an image that was pulled, or nothing. */
export interface Base {
  readonly image: ParentImage | undefined;
  readonly files: BaseFiles | undefined;
  readonly platform: Platform;
}

/** A stage while its instructions are carried out: settings, files and layers. */
export class StageBuild {
  readonly settings: Settings;
  readonly layers: (Layer | PlannedLayer)[];
  readonly history: HistoryEntry[];
  private readonly variables: Variables;
  private cmdIsOwn = false;
  /** Whether commands have run since the working folder was made, which may have taken it away. */
  private ranCommands = false;
  /** Whether there is something to look names up in, be it empty: a base image's files, or what came of a copy. */
  private hasRoot: boolean;
  /** The stage's files, over those of the base image. */
  readonly files: FileTree;

  private constructor(
    private readonly around: Surroundings,
    readonly base: Base,
    before: StageBuild | undefined,
  ) {
    this.settings = before ? copySettings(before.settings) : initialSettings(base.image?.config);
    this.layers = [...(before?.layers ?? base.image?.layers ?? [])];
    this.hasRoot = before?.hasRoot ?? this.layers.length > 0;
    this.history = [...(before?.history ?? baseHistory(base.image?.config))];
    this.variables = new Variables(around, before?.variables, this.settings.env);
    this.files = before?.files.copy() ?? new FileTree(base.files);
  }

  static onBase(around: Surroundings, base: Base): StageBuild {
    return new StageBuild(around, base, undefined);
  }

  static onStage(around: Surroundings, before: StageBuild): StageBuild {
    return new StageBuild(around, before.base, before);
  }

  /**
   * A stage that an engine has begun. The image tells all that it has done but for what is in `split`.
   */
  static onHead(
    around: Surroundings,
    base: Base,
    { inherited, declarations, setsCommand }: Split,
  ): StageBuild {
    const build = new StageBuild(around, base, undefined);
    const { variables, settings } = build;
    for (const declaration of inherited) variables.replay(declaration, settings.env);
    variables.setAll(settings.env);
    for (const declaration of declarations) variables.replay(declaration, settings.env);
    build.cmdIsOwn = setsCommand;
    build.ranCommands = true;
    return build;
  }

  /**
   * Carries out one instruction.
   *
   * @throws NeedsEngine when it can't be done here; TaskError for a mistake in it
   */
  async execute(instruction: Instruction): Promise<void> {
    try {
      await this.dispatch(instruction);
    } catch (error) {
      const { line, keyword } = instruction;
      if (error instanceof WordError || error instanceof CopyError || error instanceof LinkLoop) {
        throw mistake(line, error.message);
      }
      if (error instanceof OutOfReach) throw new NeedsEngine(line, keyword, error.message);
      throw error;
    }
  }

  private async dispatch(instruction: Instruction): Promise<void> {
    const { settings } = this;
    const need = findNeed(instruction);
    if (need) throw need;
    switch (instruction.keyword) {
      case 'COPY':
      case 'ADD':
        return this.copy(instruction);
      case 'WORKDIR':
        return this.workdir(instruction, this.word(instruction.value));
      case 'ARG':
        this.variables.declare(instruction);
        break;
      case 'ENV': {
        // All of them see the variables as they were before the instruction.
        const pairs = instruction.assignments.map((pair) => [this.word(pair.name), this.word(pair.value!)]);
        for (const [name, value] of pairs) {
          setVariable(settings.env, name!, value!);
          this.variables.set(name!, value!);
        }
        break;
      }
      case 'LABEL':
        for (const { name, value } of instruction.assignments) {
          settings.labels.set(this.word(name), this.word(value!));
        }
        break;
      case 'CMD':
        settings.cmd = commandWords(instruction.command, settings);
        this.cmdIsOwn = true;
        break;
      case 'ENTRYPOINT':
        settings.entrypoint = commandWords(instruction.command, settings);
        // The base image's command was meant for its own entry point.
        if (!this.cmdIsOwn) settings.cmd = undefined;
        break;
      case 'SHELL':
        settings.shell = instruction.words;
        break;
      case 'USER':
        settings.user = this.word(instruction.value);
        break;
      case 'EXPOSE': {
        const words = instruction.words.flatMap((word) => this.variables.words(word));
        for (const port of parsePorts(words, instruction.line)) settings.ports.add(port);
        break;
      }
      case 'VOLUME':
        for (const word of instruction.words) {
          const volume = this.word(word.trim());
          if (!volume) throw mistake(instruction.line, 'a volume has no path');
          settings.volumes.add(volume);
        }
        break;
      case 'STOPSIGNAL':
        settings.stopSignal = this.word(instruction.value);
        if (!isSignal(settings.stopSignal)) {
          throw mistake(instruction.line, `'${settings.stopSignal}' is no signal`);
        }
        break;
      case 'MAINTAINER':
        settings.author = instruction.value;
        break;
      case 'HEALTHCHECK':
        settings.healthcheck = healthcheckOf(instruction);
        break;
    }
    this.history.push({ created_by: instruction.text, empty_layer: true });
  }

  /** Makes the folder unless it is there, owned by the user of the moment, as BuildKit does. */
  private workdir({ text, line }: Pick<Instruction, 'text' | 'line'>, path: string): void {
    const { settings } = this;
    const known =
      settings.workdir === resolveWorkdir(settings.workdir, path) &&
      this.base.image !== undefined &&
      !this.ranCommands;
    settings.workdir = resolveWorkdir(settings.workdir, path);
    // The base image's own working folder is there: what set it has made it.
    if (known || settings.workdir === '/') {
      this.history.push({ created_by: text, empty_layer: true });
      return;
    }
    const tree = this.files;
    if (settings.user) this.refuseNames(settings.user, line);
    const owner = settings.user ? resolveOwner(settings.user, tree) : undefined;
    const copier = new Copier(tree, { owner });
    copier.makeFolders(tree.resolve(settings.workdir));
    this.commit(tree, copier, text);
  }

  private async copy(instruction: Copy): Promise<void> {
    const { line, keyword, text, documents } = instruction;
    const sources = instruction.sources.map((source) => this.word(source));
    const remote = sources.find((source) => /^(?:https?|ftp|git|ssh):\/\/|^git@/i.test(source));
    if (remote && keyword === 'ADD') throw new OutOfReach(`it downloads ${remote}`);

    const from = flagOf(instruction, 'from');
    const source = from === undefined ? this.around.context() : await this.sourceStage(from);
    // With --link, what lies below is not looked at, let alone followed: folders on the way are made anew. BuildKit takes
    // it for a plain copy where permissions are set.
    const isLinked = isOn(instruction, 'link') && !flagOf(instruction, 'chmod');
    const tree = isLinked ? new FileTree() : this.files;
    const chown = flagOf(instruction, 'chown');
    const chmod = flagOf(instruction, 'chmod');
    if (isOn(instruction, 'link') && chown && hasName(this.word(chown))) {
      throw mistake(line, `--chown=${chown} has a name, which --link can't look up in an image`);
    }
    if (chown) this.refuseNames(this.word(chown), line);
    const excluded = flagsOf(instruction, 'exclude');
    const copier = new Copier(tree, {
      // Files of the context are root's; those of a stage keep their owners.
      owner: chown ? resolveOwner(this.word(chown), tree) : undefined,
      ...(chmod && permissionsOf(this.word(chmod), line)),
      exclude: excluded.length > 0 ? patternsOf(excluded, '--exclude') : undefined,
      refuse: keyword === 'ADD' ? refuseArchive : undefined,
    });
    const isWithParents = isOn(instruction, 'parents');

    const destination = this.destination(this.word(instruction.destination));
    for (const name of sources) {
      if (from === undefined && !isReadable(name)) {
        // It depends on what else is copied whether BuildKit minds.
        throw new OutOfReach(`'${name}' is a pattern that docker may not read`);
      }
      if (from === undefined) this.around.use.take(name);
      try {
        if (isWithParents) copyWithParents(copier, source, name, destination);
        else copier.copy(source, name, destination);
      } catch (error) {
        if (!(error instanceof NothingFound)) throw error;
        const { pattern, folder } = error;
        if (from === undefined) this.around.use.miss({ pattern, folder, line });
        this.around.log.warning(`Line ${line} of the Dockerfile: ${error.message}, so nothing is copied.`);
      }
    }
    for (const document of documents) {
      if (posix.dirname(posix.resolve('/', document.name)) !== '/') {
        throw new CopyError(`the document '${document.name}' has a folder in its name`);
      }
      const data = document.expand ? this.variables.document(document.text) : document.text;
      copier.write(document.name, Buffer.from(data), destination);
    }
    this.commit(tree, copier, text);
    if (isLinked) this.files.cover(tree, copier.changed);
  }

  private async sourceStage(name: string): Promise<FileTree> {
    const stage = await this.around.stage(name);
    if (!stage) throw new OutOfReach(`it copies out of another image, ${name}`);
    return stage.files;
  }

  /** BuildKit looks no names up before the first copy onto nothing. */
  private refuseNames(owner: string, line: number): void {
    if (this.hasRoot || !hasName(owner)) return;
    throw mistake(line, `'${owner}' can't be looked up, since the image has no files yet; give numbers`);
  }

  private destination(path: string): string {
    const folder = path === '' || path === '.' || path.endsWith('/') || path.endsWith('/.');
    const resolved = posix.resolve('/', this.settings.workdir, path);
    return folder && resolved !== '/' ? `${resolved}/` : resolved;
  }

  private commit(tree: FileTree, copier: Copier, text: string): void {
    const layers = planLayers(tree, copier.changed);
    this.layers.push(...layers);
    this.hasRoot = true;
    if (!layers.length) this.history.push({ created_by: text, empty_layer: true });
    for (const _ of layers) this.history.push({ created_by: text });
  }

  private word(text: string): string {
    return this.variables.word(text);
  }
}

/** An old image's history may be missing; there must be an entry for each layer all the same. */
function baseHistory(config: ImageConfig | undefined): readonly HistoryEntry[] {
  return config?.history ?? (config?.rootfs.diff_ids ?? []).map(() => ({}));
}
