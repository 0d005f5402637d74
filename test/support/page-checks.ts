/*
 * Checks that run inside of a page, each an expression whose value is a list of faults. They are texts, since what runs
 * in a page knows nothing of this process, nor this process of the page's types.
 */

/** Elements that stick out of the page to the right, but for those in something that scrolls. */
export const overflowing = `(() => {
  const scrolls = (element) => {
    for (let at = element.parentElement; at; at = at.parentElement)
      if (at !== document.body && at !== document.documentElement && /auto|scroll|hidden/.test(getComputedStyle(at).overflowX)) return true;
    return false;
  };
  const width = document.documentElement.clientWidth;
  const faults = document.documentElement.scrollWidth > width ? ['the page is ' + document.documentElement.scrollWidth + ' wide'] : [];
  for (const element of document.querySelectorAll('main *')) {
    const { right, left } = element.getBoundingClientRect();
    const cut = element.closest('.card') && right > element.closest('.card').getBoundingClientRect().right + 1;
    if ((right > width + 1 || left < -1 || cut) && !element.closest('.wide, .hidden') && (cut || !scrolls(element)))
      faults.push(element.tagName + ' ' + element.className + ' ' + element.textContent.slice(0, 40));
  }
  return faults;
})()`;

/** Texts whose color is less than 4.5 times as bright as, or darker than, what they stand on (WCAG 2, 1.4.3). */
export const faultsOfContrast = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const known = new Map();
  const parsed = (color) => {
    if (!known.has(color)) known.set(color, rgba(color));
    return known.get(color);
  };
  const over = (top, below) => top.slice(0, 3).map((part, index) => part * top[3] + below[index] * (1 - top[3]));
  const groundOf = (element) => {
    if (!element) return [255, 255, 255];
    const ground = parsed(getComputedStyle(element).backgroundColor);
    if (ground[3] === 1) return ground.slice(0, 3);
    return over(ground, groundOf(element.parentElement));
  };
  const brightness = (color) => {
    const [r, g, b] = color.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faults = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('script, style') || !element.checkVisibility()) continue;
    const ground = groundOf(element);
    const color = over(parsed(getComputedStyle(element).color), ground);
    const [dark, bright] = [brightness(color), brightness(ground)].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faults.add(ratio.toFixed(2) + ' ' + element.className + ': ' + walker.currentNode.data.slice(0, 40));
  }
  return [...faults];
})()`;

/** Numbers what can be clicked and seen, and lists what the Tab key passes over for no reason. */
export const keyboardReach = `(() => {
  const things = [...document.querySelectorAll('a[href], button, input, summary, [tabindex="0"]')].filter(
    (element) => element.checkVisibility() && !element.matches('.l > a[tabindex="-1"]'),
  );
  things.forEach((element, index) => {
    element.dataset.reach = String(index);
  });
  const missed = things.filter((element) => element.tabIndex < 0).map((element) => element.outerHTML.slice(0, 80));
  return { count: things.length, missed };
})()`;
