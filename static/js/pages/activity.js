// The page of all that has happened, with the filters of its address.
import { ActivityList } from "../activity.js";
import { $, pageData } from "../dom.js";

const root = $("#activity");
const filters = {};
for (const name of ["type", "event", "container", "image", "label", "host", "team"]) {
  const value = new URLSearchParams(location.search).get(name);
  if (value) filters[name] = value;
}
const list = new ActivityList(root, { filters, last: "last" in root.dataset ? Number(root.dataset.last) : null });
const { events, gone } = pageData("activity-data");
list.show(events, gone);
list.open();
