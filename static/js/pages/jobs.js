// The list of jobs: marks and progress change at once; new and ended jobs bring one fetch of the list.
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { onChange, onReset } from "../live.js";
import { fillJob } from "../rows.js";

onChange("job", (change) => {
  const row = $(`tr[data-id="${CSS.escape(change.object_id)}"]`);
  const before = row?.dataset.status;
  if (row && change.object) fillJob(row, change.object);
  if (!row || before !== row.dataset.status) refreshSoon("filters", "list");
});
onReset(() => refreshSoon("filters", "list"));
