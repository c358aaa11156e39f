// A list of any length of which only the rows in sight are in the document.
//
// The scroll bar belongs to the browser: an empty box has the height of everything, the rows in sight lie in one box
// moved to their place. A box can't be of any height (Firefox: 17.9 million pixels), so that of a very long list is lower
// than its rows together: the bar's thumb moves through all of it, the wheel moves by rows as ever. While the end is in
// sight the list follows it; scrolling up lets go.
import { EvenHeights, UnevenHeights } from "./heights.js";

export const ROW = 20;
const OVER = 12;
const AT_END = 24;
const MOST_PIXELS = 8_000_000;
const SETTLE_MS = 150;

export class VirtualList {
  /**
   * `source`: count() rows; key(i) tells rows apart over time; draw(i) makes the element; stamp(i) changes when a row
   * must be drawn again; rowsOf(i) estimates how many screen rows it takes when lines wrap; want(first, last): these
   * rows are in sight.
   */
  constructor(view, source, { onFollow = () => {} } = {}) {
    Object.assign(this, { view, source, onFollow, following: true, wrap: false, drawn: new Map(), frame: 0, width: 0 });
    this.space = view.querySelector(".log-space");
    this.rows = view.querySelector(".log-rows");
    this.heights = new EvenHeights(ROW);
    this.top = 0; // the first pixel in sight, of the rows' own
    this.barAt = 0; // where the scroll bar was seen last
    this.settle = 0;
    view.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(view);
  }

  /** Everything may be different: filter, wrap, width. `keep` is the row to hold in place. */
  rebuild(keep = null) {
    this.heights = this.wrap ? new UnevenHeights() : new EvenHeights(ROW);
    this.#grow();
    this.#forget();
    this.#fit();
    if (keep !== null && !this.following) this.#goTo(this.heights.top(keep));
    this.schedule();
  }

  /** Rows were added at the end, or an open one grew. */
  grown(changed = null) {
    if (changed !== null && this.wrap && changed < this.heights.count) this.heights.set(changed, this.#estimate(changed));
    this.schedule();
  }

  /** `count` rows more (or fewer) lie before `row`; what is in sight stays in sight. */
  moved(row, count) {
    const first = this.firstInSight;
    const offset = this.top - this.heights.top(first);
    this.heights = this.wrap ? new UnevenHeights() : new EvenHeights(ROW);
    this.#grow();
    this.#fit();
    if (!this.following && row <= first) this.#goTo(this.heights.top(Math.max(0, first + count)) + offset);
    this.schedule();
  }

  schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.#render());
  }

  toEnd() {
    this.#follow(true);
    this.schedule();
  }

  /** Stay where one is, whatever comes. */
  hold() {
    this.#follow(false);
  }

  /** Bring row `index` into the middle. */
  show(index) {
    this.#follow(false);
    this.#grow();
    this.#fit();
    this.#goTo(this.heights.top(index) - this.view.clientHeight / 2);
    this.schedule();
  }

  /** The index of the first row in sight. */
  get firstInSight() {
    return this.heights.find(this.top);
  }

  get lastInSight() {
    return this.heights.find(this.top + this.view.clientHeight - 1);
  }

  /** So many pixels of rows does a pixel of the bar stand for. */
  get #scale() {
    const height = this.view.clientHeight;
    return this.heights.total <= MOST_PIXELS ? 1 : (this.heights.total - height) / (MOST_PIXELS - height);
  }

  #follow(on) {
    if (this.following === on) return;
    this.following = on;
    this.onFollow(on);
  }

  #scrolled() {
    const bar = this.view.scrollTop;
    const moved = bar - this.barAt;
    if (moved === 0) return;
    this.barAt = bar;
    const scale = this.#scale;
    const end = Math.max(0, this.heights.total - this.view.clientHeight);
    const isThumb = Math.abs(moved) > this.view.clientHeight * 3;
    if (scale === 1 || isThumb) this.top = bar * scale;
    else this.top += moved;
    if (bar <= 0) this.top = 0;
    else if (bar >= this.view.scrollHeight - this.view.clientHeight - 1) this.top = end;
    this.top = Math.min(end, Math.max(0, this.top));
    if (scale !== 1) {
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.#goTo(this.top), SETTLE_MS);
    }
    this.#follow(this.top >= end - AT_END);
    this.schedule();
  }

  /** Put pixel `top` of the rows at the upper edge, and the bar where it belongs. */
  #goTo(top) {
    this.top = Math.min(Math.max(0, this.heights.total - this.view.clientHeight), Math.max(0, top));
    this.view.scrollTop = this.top / this.#scale;
    this.barAt = this.view.scrollTop;
    this.schedule();
  }

  #fit() {
    this.space.style.height = `${Math.min(MOST_PIXELS, this.heights.total)}px`;
    if (this.following) this.#goTo(this.heights.total);
  }

  #resized() {
    if (this.wrap && this.view.clientWidth !== this.width) this.rebuild(this.firstInSight);
    this.width = this.view.clientWidth;
    this.schedule();
  }

  #estimate(index) {
    return ROW * this.source.rowsOf(index);
  }

  #grow() {
    const end = this.source.count();
    if (end < this.heights.count) this.heights = this.wrap ? new UnevenHeights() : new EvenHeights(ROW);
    if (this.wrap) for (let index = this.heights.count; index < end; index += 1) this.heights.push(this.#estimate(index));
    else this.heights.count = end;
  }

  #forget() {
    this.drawn.clear();
    this.rows.replaceChildren();
  }

  #render() {
    this.frame = 0;
    this.#grow();
    this.#fit();
    // Rows that turn out taller than estimated move what lies below: once more settles it.
    if (this.#place() && this.wrap) {
      this.#fit();
      this.#place();
    }
  }

  #place() {
    const count = this.heights.count;
    this.top = Math.min(Math.max(0, this.heights.total - this.view.clientHeight), this.top);
    const from = count ? Math.max(0, this.heights.find(this.top) - OVER) : 0;
    const to = count ? Math.min(count, this.heights.find(this.top + this.view.clientHeight) + 1 + OVER) : 0;
    if (count) this.source.want(from, to - 1);
    const wanted = new Map();
    for (let index = from; index < to; index += 1) {
      const key = this.source.key(index);
      const stamp = this.source.stamp(index);
      const old = this.drawn.get(key);
      wanted.set(key, old && old.stamp === stamp ? old : { stamp, element: this.source.draw(index) });
    }
    for (const [key, row] of this.drawn) if (wanted.get(key) !== row) row.element.remove();
    let before = this.rows.firstChild;
    for (const row of wanted.values()) {
      if (row.element === before) before = before.nextSibling;
      else this.rows.insertBefore(row.element, before);
    }
    this.drawn = wanted;
    this.rows.style.transform = `translateY(${this.view.scrollTop + this.heights.top(from) - this.top}px)`;
    return this.wrap && this.#measure(from);
  }

  #measure(from) {
    let changed = false;
    let index = from;
    for (const row of this.drawn.values()) {
      const height = row.element.offsetHeight;
      if (height && height !== this.heights.values[index]) {
        this.heights.set(index, height);
        changed = true;
      }
      index += 1;
    }
    return changed;
  }
}
