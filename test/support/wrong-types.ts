/** What no member of an answer is, whatever it should be. */
const WRONG = [17.5, true, 'text', [null], { a: [] }];

/** An answer in which one part is something else, and the part's place. */
export interface Altered {
  readonly place: string;
  readonly value: unknown;
  readonly wrong: unknown;
}

/** An answer with each of its parts, itself too, replaced in turn by each thing that is of another type. */
export function* withWrongTypes(answer: unknown, place = ''): Generator<Altered> {
  for (const wrong of WRONG) {
    if (kindOf(wrong) !== kindOf(answer)) yield { place, value: wrong, wrong };
  }
  if (typeof answer !== 'object' || answer === null) return;
  for (const [name, part] of Object.entries(answer)) {
    const isList = Array.isArray(answer);
    const at = isList ? `${place}[${name}]` : place ? `${place}.${name}` : name;
    for (const altered of withWrongTypes(part, at)) {
      const value = isList
        ? answer.map((element, index) => (String(index) === name ? altered.value : element))
        : { ...answer, [name]: altered.value };
      yield { ...altered, value };
    }
  }
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'list' : typeof value;
}
