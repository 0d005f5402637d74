// Follows a run that goes on: whatever has changed in the page that the server sends is put in the place of what it was.

/** The parts that are replaced one by one, so that a reader keeps what they have unfolded, selected and scrolled to. */
const PARTS = '.lead, .failures, .facts, .chain, .run > header, .job, .step, .summary, .extra';

const parse = (html) => new DOMParser().parseFromString(html, 'text/html');
const isAtEnd = (log) => log.scrollTop + log.clientHeight >= log.scrollHeight - 4;

/** The page as the server sent it last, without what the script and the reader made of it. */
let shown;

function takeOver(from, to) {
  const before = document.getElementById(to.id);
  const source = from.getElementById(to.id);
  // Only what the reader folded by hand stays as it was.
  if (before && source && before.open !== source.open) to.open = before.open;
}

function replace(part, next) {
  const log = part.querySelector?.('.log');
  const [end, top] = log ? [isAtEnd(log), log.scrollTop] : [true, 0];
  part.replaceWith(next);
  enhance(next);
  const nextLog = next.querySelector('.log');
  if (nextLog) nextLog.scrollTop = end ? nextLog.scrollHeight : top;
}

function show(html) {
  const next = parse(html);
  const source = parse(html);
  if (shown) for (const details of all('details[id]', next)) takeOver(shown, details);
  const [parts, nextParts, sources] = [document, next, source].map((root) => all(PARTS, root));
  const before = shown ? all(PARTS, shown) : [];
  if (before.length === sources.length && before.every((part, index) => part.id === sources[index].id)) {
    sources.forEach((part, index) => {
      if (part.outerHTML === before[index].outerHTML) return;
      replace(parts[index], document.adoptNode(nextParts[index]));
    });
  } else {
    replaceAll(document.adoptNode(next.querySelector('main')));
  }
  document.title = next.title;
  shown = source;
}

function replaceAll(main) {
  const top = scrollY;
  document.querySelector('main').replaceWith(main);
  main.querySelector('.lead').after(tools);
  enhance(main);
  for (const log of all('.step[open] .log', main)) log.scrollTop = log.scrollHeight;
  scrollTo(0, top);
}

const events = new EventSource('/events');
events.addEventListener('page', ({ data }) => show(JSON.parse(data)));
events.addEventListener('end', () => events.close());
