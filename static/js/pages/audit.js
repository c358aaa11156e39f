// The audit log: what is asked from now on comes by itself, unless older entries are looked at.
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { onChange, onReset } from "../live.js";

const refresh = () => $('[data-fragment="list"][data-live]') && refreshSoon("list");
const ended = new Map();

onChange("audit", refresh);
onChange("job", (change) => {
  const status = change.object?.status;
  if (ended.get(change.object_id) === status) return; // progress changes nothing here
  ended.set(change.object_id, status);
  refresh();
});
onReset(refresh);
