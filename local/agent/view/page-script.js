// Makes the page handier: without it, everything is there to read, to fold and to link to.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function button(text, label, onClick) {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = text;
  if (label) element.ariaLabel = label;
  element.addEventListener('click', () => onClick(element));
  return element;
}

async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that were opened from a disk may not use the clipboard in every browser.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  const before = from.textContent;
  if (before === 'Copied') return;
  from.textContent = 'Copied';
  setTimeout(() => {
    from.textContent = before;
  }, 1200);
}

function addCopyButton(place) {
  const code = place.querySelector('code');
  const value = code.dataset.copy ?? code.textContent;
  place.append(button('Copy', `Copy ${value.slice(0, 80)}`, (self) => copy(value, self)));
}

function reveal(element) {
  for (let at = element.parentElement; at; at = at.parentElement)
    if (at.tagName === 'DETAILS') at.open = true;
  if (element.tagName === 'DETAILS') element.open = true;
}

/** Where text stands in the elements, for the browser to highlight. */
function rangesOf(lines, wanted) {
  return lines.flatMap((line) => {
    const walker = document.createTreeWalker(line.lastElementChild, NodeFilter.SHOW_TEXT);
    const ranges = [];
    while (walker.nextNode()) {
      const text = walker.currentNode.data.toLowerCase();
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
        const range = new Range();
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + wanted.length);
        ranges.push(range);
      }
    }
    return ranges;
  });
}

function addSearch(log) {
  const bar = document.createElement('div');
  bar.className = 'find';
  const input = document.createElement('input');
  input.type = 'search';
  input.placeholder = 'Search this log';
  input.ariaLabel = 'Search this log';
  const count = document.createElement('span');
  count.role = 'status';
  let hits = [];
  let at = -1;
  const go = (step) => {
    if (hits.length === 0) return;
    hits[at]?.classList.remove('now');
    at = (at + step + hits.length) % hits.length;
    const line = hits[at];
    line.classList.add('now');
    reveal(line);
    log.scrollTop +=
      line.getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 3;
    count.textContent = `${at + 1} of ${hits.length} lines`;
  };
  input.addEventListener('input', () => {
    const wanted = input.value.toLowerCase();
    for (const line of all('.hit, .now', log)) line.classList.remove('hit', 'now');
    hits = wanted
      ? all('.l', log).filter((line) => line.lastElementChild.textContent.toLowerCase().includes(wanted))
      : [];
    for (const line of hits) line.classList.add('hit');
    globalThis.CSS?.highlights?.set('found', new Highlight(...rangesOf(hits.slice(0, 500), wanted)));
    at = -1;
    count.textContent = wanted ? 'Not found' : '';
    go(1);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  });
  const text = () =>
    all('.l > span', log)
      .map((line) => line.textContent)
      .join('\n');
  bar.append(
    input,
    button('↑', 'Previous match', () => go(-1)),
    button('↓', 'Next match', () => go(1)),
    button('Copy log', '', (self) => copy(text(), self)),
    count,
  );
  log.before(bar);
}

/** The arrow keys go from one line's number to the next, of which only one is a stop of the Tab key. */
function moveAmongLines(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const from = event.target.closest?.('.l > a');
  if (!step || !from) return;
  const lines = all('.l > a', from.closest('.log')).filter((line) => line.checkVisibility());
  const to = lines[lines.indexOf(from) + step];
  if (!to) return;
  event.preventDefault();
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}

function enhance(root) {
  all('.copy', root).forEach(addCopyButton);
  all('.log', root).forEach(addSearch);
}

function followLink() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  reveal(target);
  target.scrollIntoView({ block: target.classList.contains('l') ? 'center' : 'start' });
}

const tools = document.createElement('div');
tools.className = 'tools';
const setOpen = (open) => () => {
  for (const details of all('.step, .summary, .failure')) details.open = open;
};
tools.append(button('Unfold all', '', setOpen(true)), button('Fold all', '', setOpen(false)));
document.querySelector('.lead').after(tools);
enhance(document);
document.addEventListener('keydown', moveAmongLines);
addEventListener('hashchange', followLink);
followLink();
