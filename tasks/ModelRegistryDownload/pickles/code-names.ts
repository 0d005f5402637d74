/** Modules that run, load or make code from what they are given, or reach the system. */
const CODE_MODULES =
  /^(?:_?cloudpickle|_?dill|_?pickle|_posixsubprocess|asyncio|code|codeop|commands|ctypes|imp|importlib|marshal|multiprocessing|nt|os|pdb|posix|pty|runpy|shutil|socket|subprocess|sys|timeit|webbrowser)(?:\.|$)/;
const CODE_NAMES =
  /^(?:(?:__builtin__|builtins)\.(?:__import__|breakpoint|compile|delattr|eval|exec|execfile|getattr|globals|input|locals|open|setattr|vars)|types\.(?:Code|Function|Lambda|Method)Type|_?io\.(?:FileIO|open|open_code))$/;

/** Whether a name is a way to anything at all, so that allowing it would allow everything. */
export function isWayToAnything(name: string): boolean {
  return CODE_MODULES.test(name) || CODE_NAMES.test(name);
}
