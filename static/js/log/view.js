// A list of any length of which only the rows in sight are in the document.
//
// The scroll bar belongs to the browser: an empty box has the height of everything, the rows in sight lie in
// one box moved to their place. While the end is in sight the list follows it; scrolling up lets go.
import { EvenHeights, UnevenHeights } from "./heights.js";

export const ROW = 20;
const OVER = 12;
const AT_END = 24;

export class VirtualList {
  /**
   * `source`: count() rows; key(i) tells rows apart over time; draw(i) makes the element; stamp(i) changes when a
   * row must be drawn again; rowsOf(i) estimates how many screen rows it takes when lines wrap.
   */
  constructor(view, source, { onFollow = () => {} } = {}) {
    this.view = view;
    this.space = view.querySelector(".log-space");
    this.rows = view.querySelector(".log-rows");
    this.source = source;
    this.onFollow = onFollow;
    this.following = true;
    this.wrap = false;
    this.drawn = new Map();
    this.frame = 0;
    this.heights = new EvenHeights(ROW);
    view.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.width = 0;
    new ResizeObserver(() => this.#resized()).observe(view);
  }

  /** Everything may be different: filter, wrap, width. `keep` is the key of a row to hold in place. */
  rebuild(keep = null) {
    this.heights = this.wrap ? new UnevenHeights() : new EvenHeights(ROW);
    this.#grow();
    this.#forget();
    if (keep !== null && !this.following) this.view.scrollTop = this.heights.top(keep);
    this.schedule();
  }

  /** Rows were added at the end, or an open one grew. */
  grown(changed = null) {
    if (changed !== null && this.wrap && changed < this.heights.count) this.heights.set(changed, this.#estimate(changed));
    this.schedule();
  }

  /** The first `count` rows are gone; what is in sight stays in sight. */
  dropped(count) {
    const gone = this.heights.dropFirst(Math.min(count, this.heights.count));
    if (!this.following) this.view.scrollTop -= gone;
    this.schedule();
  }

  schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.#render());
  }

  toEnd() {
    this.#follow(true);
    this.schedule();
  }

  /** Bring row `index` into the middle. */
  show(index) {
    this.#follow(false);
    this.#grow();
    this.space.style.height = `${this.heights.total}px`;
    this.view.scrollTop = this.heights.top(index) - this.view.clientHeight / 2;
    this.schedule();
  }

  /** The index of the first row in sight. */
  get firstInSight() {
    return this.heights.find(this.view.scrollTop);
  }

  #follow(on) {
    if (this.following === on) return;
    this.following = on;
    this.onFollow(on);
  }

  #scrolled() {
    this.#follow(this.view.scrollTop + this.view.clientHeight >= this.heights.total - AT_END);
    this.schedule();
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
    for (let index = this.heights.count, end = this.source.count(); index < end; index += 1) {
      this.heights.push(this.wrap ? this.#estimate(index) : ROW);
    }
  }

  #forget() {
    this.drawn.clear();
    this.rows.replaceChildren();
  }

  #render() {
    this.frame = 0;
    this.#grow();
    this.space.style.height = `${this.heights.total}px`;
    if (this.following) this.view.scrollTop = this.heights.total;
    // Rows that turn out taller than estimated move what lies below: once more settles it.
    if (this.#place() && this.wrap) {
      this.space.style.height = `${this.heights.total}px`;
      if (this.following) this.view.scrollTop = this.heights.total;
      this.#place();
    }
  }

  #place() {
    const top = this.view.scrollTop;
    const bottom = top + this.view.clientHeight;
    const count = this.heights.count;
    const from = count ? Math.max(0, this.heights.find(top) - OVER) : 0;
    const to = count ? Math.min(count, this.heights.find(bottom) + 1 + OVER) : 0;
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
    this.rows.style.transform = `translateY(${this.heights.top(from)}px)`;
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
